"""What `manage.py` can do with a project's MCP servers."""
