"""The engine: it trains, resumes and evaluates any stage, and knows none by name."""
