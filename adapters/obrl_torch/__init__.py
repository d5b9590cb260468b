"""obrl for PyTorch."""
