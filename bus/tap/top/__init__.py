"""The screen of `bus-tap top`: keys, controls, table."""
