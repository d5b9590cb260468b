"""All stages in one folder."""
