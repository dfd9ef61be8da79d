from quotebus import SymbolStatus

# What a tap or a program of your own decodes from the topic symbol.SPY.
status = SymbolStatus(
    symbol="SPY", state="live", cause="demand", since_ns=0, clients=(), last_quote_ns=None, last_quote_seq=0
)
print(status.state, status.halt)
