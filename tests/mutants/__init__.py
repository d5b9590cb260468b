"""The mutation check: seeded faults that the tests must catch. `python -m tests.mutants` runs it."""
