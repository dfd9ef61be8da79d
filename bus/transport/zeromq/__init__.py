"""The bus over ZeroMQ: sockets with their options, who has subscribed to what, and the broker."""
