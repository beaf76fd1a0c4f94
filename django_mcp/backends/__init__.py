"""The server's interfaces on Django's ground: threads with connections, keys, icons, later rows."""
