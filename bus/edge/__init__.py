"""The edge: the venue's own stream protocol for programs that know nothing of the bus, served from the bus."""
