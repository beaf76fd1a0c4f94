"""What `manage.py mcp_call` is made of: typed arguments, asked questions, printed answers."""
