"""alpaca-py imports what websockets has deprecated; imported here first, that is no error of a test's."""

import warnings

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)
    import alpaca.data.live
    import alpaca.trading.stream  # noqa: F401
