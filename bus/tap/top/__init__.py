"""The screen of `quotebus tap top`: keys, controls, table."""
