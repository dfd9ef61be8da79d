"""The reference consumer: a price is used only when it may be, and every decision says what it was based on."""

if __name__ != "quotebus.execution_adapter":
    raise ImportError(
        "import quotebus.execution_adapter, not execution_adapter: a module under two names is two modules"
    )
