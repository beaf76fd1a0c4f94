"""Another server's tools, resources and prompts as a server's own.

    weather = Proxy("https://weather.example/mcp", prefix="weather")
    server = MCPServer("gateway", lifespan=weather.lifespan)

`mirroring` owns what is there and under which names, `forwarding` one call of it and on whose
behalf, `upstream` the connections. The server does not know: what it has are components like any.
"""

from __future__ import annotations

from .mirroring import Proxy, lifespan_of

__all__ = ["Proxy", "lifespan_of"]
