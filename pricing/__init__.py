"""pricing"""

if __name__ != "quotebus.pricing":
    raise ImportError("import quotebus.pricing, not pricing: a module under two names is two modules")
