"""The simulated broker: Alpaca's trading API over the exchange's own market."""
