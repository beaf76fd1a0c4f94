"""The project that the processes serve: tools whose strings a test pulls, and a resource."""
