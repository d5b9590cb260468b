"""The losses that a stage trains with."""
