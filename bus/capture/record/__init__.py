"""The recorder: from the bus to the disk."""
