"""The bus tap: a subscriber that shows what the bus is doing, and why."""
