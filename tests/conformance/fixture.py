"""The server the suite talks to; the modules named after features fill it.

Written with the public API alone, as the author of a project would, and without a word about
revisions: the same tools serve every one of them.
"""

from __future__ import annotations

from django_mcp import MCPServer

server = MCPServer(
    "conformance",
    title="Conformance fixture",
    version="1.0.0",
    description="What the scenarios of the official conformance suite call by name.",
)
