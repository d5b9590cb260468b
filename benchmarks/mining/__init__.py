"""How fast relation mining is, and how much memory it takes."""
