"""The upstream socket: dialling it, reading it, and the hot path from it to the bus."""
