"""A live page, health checks and metrics over HTTP, from what one silent listener hears on the bus."""
