"""The decisions of a capture, derived again from the messages they name."""
