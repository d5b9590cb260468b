from tests.mutants.mutant import Mutant

CORE_MUTANTS: tuple[Mutant, ...] = ()
