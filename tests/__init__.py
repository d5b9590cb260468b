"""The tests of obrl."""
