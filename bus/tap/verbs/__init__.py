"""`quotebus tap VERB`: one verb per file, each with a `run`."""
