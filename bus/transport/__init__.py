"""What holds a connection to the bus: clients, recorder, player, tap; what carries it has a folder of its own."""
