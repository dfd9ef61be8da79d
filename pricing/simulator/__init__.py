"""An Alpaca-compatible exchange with seeded prices and a fault plan."""
