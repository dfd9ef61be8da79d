"""Where orders go: nowhere, to the exchange simulator, or to Alpaca."""
