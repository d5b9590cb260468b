"""Measurements of obrl beside what else one could run."""
