"""obrl.torch against the specification."""
