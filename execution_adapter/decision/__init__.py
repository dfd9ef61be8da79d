"""May this price be traded on, at what limit, and the event that says so. All of it is pure."""
