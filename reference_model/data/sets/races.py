"""The three classes of the paper's race stage."""

PAPER_RACES = ("white", "black", "yellow")
"""The paper's classes, in the order of their numbers."""
