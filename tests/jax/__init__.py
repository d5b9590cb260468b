"""JAX alone: what the parity suite does not ask."""
