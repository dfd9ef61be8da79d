"""The bus tap: a plain subscriber that shows what the bus is doing and why."""
