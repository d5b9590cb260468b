"""The NumPy package against the specification."""
