"""One suite for every framework and implementation: `pytest tests/parity --framework NAME`, a process a framework."""
