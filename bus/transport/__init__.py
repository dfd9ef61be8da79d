"""ZeroMQ lives here and nowhere else."""
