"""The file format: MCAP records, chunks, indexes and segments, read and written in bounded memory."""
