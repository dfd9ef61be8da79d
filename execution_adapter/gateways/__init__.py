"""Where orders go: nowhere, to the exchange simulator, to Alpaca."""
