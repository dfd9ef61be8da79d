"""One intent as a parent order, its child orders and its journal."""
