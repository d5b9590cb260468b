"""The HTML report: its payload, its page, and what a browser makes of it."""
