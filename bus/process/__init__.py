"""What every program needs of its process: how it ends, what it prints, what it may open."""
