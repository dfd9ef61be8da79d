"""What a capture contains: whether it is whole, its messages as lines, its events as tables."""
