from tests.mutants.mutant import Mutant

ADAPTER_MUTANTS: tuple[Mutant, ...] = ()
