"""Captures: everything that crosses the bus, recorded to files, read back, checked and played."""
