"""The report: a capture as one HTML page."""
