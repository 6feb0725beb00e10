"""What breaks around the service, for real: the database, the network, the clients, the process itself."""
