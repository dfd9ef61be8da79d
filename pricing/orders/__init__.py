"""The account's order stream: a second socket next to market data, with its own session and health."""
