"""From the bus to the disk."""
