"""May this price be traded on, at what limit, and the event that records it. All of it is pure."""
