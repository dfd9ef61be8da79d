"""The file: MCAP records, chunks, indexes and segments, read and written in bounded memory."""
