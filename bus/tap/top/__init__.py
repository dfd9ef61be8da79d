"""The screen of `bus-tap top`: keys, choices, table."""
