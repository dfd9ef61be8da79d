"""The bus over NATS: subjects, the client's half of the protocol, and one connection for both ends of a program."""
