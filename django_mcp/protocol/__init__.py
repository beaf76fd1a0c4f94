"""What MCP says, as values, tables and machines: no Django, no asyncio, no I/O.

revisions.py names the five revisions and what sets them apart; methods.py lists every request and
notification; types/ holds the shapes that travel; codec.py writes and reads them for one revision.
Everything else in django_mcp may import from here; nothing here imports from outside this package.
"""
