from tests.mutants.mutant import Mutant

NATIVE_MUTANTS: tuple[Mutant, ...] = ()
