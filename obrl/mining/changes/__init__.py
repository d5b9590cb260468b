"""What changed between two tables, and over the rows of one."""
