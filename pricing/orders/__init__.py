"""The account's order stream: a second socket beside the prices, with a session and a health of its own."""
