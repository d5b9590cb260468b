"""What the suites share: cases, the oracle run over them, and the tolerances."""
