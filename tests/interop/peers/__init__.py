"""Servers of others, for the client to talk to: programs of their own, started with a transport."""
