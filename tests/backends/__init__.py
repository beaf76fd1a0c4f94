"""The server's interfaces on Django's ground."""
