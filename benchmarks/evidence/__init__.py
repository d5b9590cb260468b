"""What relation mining says, measured where the truth is known."""
