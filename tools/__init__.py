"""What developers of obrl build its files with; no user needs it, so the wheel does not hold it."""
