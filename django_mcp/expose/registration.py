"""What a server of a Django project can register beside functions.

`django_mcp.default.MCPServer` inherits this. Each method imports what it needs when it is called.
"""

from __future__ import annotations

from ..server.decorators import PromptDecorator, ToolDecorator
from ..server.registration import Registration


class DjangoToolDecorator(ToolDecorator):
    """`@server.tool`, for functions and for what Django has."""


class DjangoPromptDecorator(PromptDecorator):
    """`@server.prompt`, for functions and for what Django has."""


class DjangoRegistration(Registration):
    """Adds models, views, forms, templates and actions to the collections of a server."""

    @property
    def tool(self) -> DjangoToolDecorator:
        """`@server.tool`, `@server.tool("name", …)`: register the decorated function as a tool."""
        return DjangoToolDecorator(self)

    @property
    def prompt(self) -> DjangoPromptDecorator:
        """`@server.prompt`, `@server.prompt("name", …)`: register the function as a prompt."""
        return DjangoPromptDecorator(self)
