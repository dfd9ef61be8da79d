"""`bus-tap VERB`: one verb a file, each with a `run`."""
