"""The mutants: each formula, reduction, rule for missing and undefined entries, state rule and bound has one."""

from tests.mutants.adapters import ADAPTER_MUTANTS
from tests.mutants.core import CORE_MUTANTS
from tests.mutants.native import NATIVE_MUTANTS

MUTANTS = (*CORE_MUTANTS, *ADAPTER_MUTANTS, *NATIVE_MUTANTS)
