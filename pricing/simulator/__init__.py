"""`exchange-simulator`: an Alpaca-compatible exchange with seeded prices, a broker and a fault plan."""
