"""The bus: events, the client that reads them, and the judgement whether a price may be used.

The names that a consumer needs are in `quotebus` itself.
"""

if __name__ != "quotebus.bus":
    raise ImportError("import quotebus.bus, not bus: a module under two names is two modules")
