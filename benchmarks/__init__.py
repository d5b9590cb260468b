"""Side-by-side measurements of obrl."""
