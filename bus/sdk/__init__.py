"""alpaca-py's streams over the bus; `quotebus.alpaca` is what programs import."""
