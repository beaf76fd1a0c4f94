"""A site of ordinary pages, as a project has them before it has a server."""
