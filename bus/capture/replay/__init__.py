"""The player: from a capture to the bus, as it was live."""
