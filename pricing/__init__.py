"""The pricing node: one process that owns the account's market-data connection and shares it over the bus.

It connects only while a client wants a symbol, subscribes to the union of what clients want, publishes quotes and
trades, and reports every second how far they can be trusted. `pricing-node` runs it; `README.md` explains it. Other
parts of the project talk to it over the bus only, never by import. `simulator` is an exchange to try it with.
"""

if __name__ != "quotebus.pricing":
    raise ImportError("import quotebus.pricing, not pricing: a module under two names is two modules")
