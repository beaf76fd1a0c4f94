"""Model Context Protocol servers and clients for Django projects.

Write `from django_mcp import tool` in an app's `mcp.py`, as one writes
`from django.contrib import admin` in its `admin.py`. `tool`, `resource`, `prompt`, `completion`,
`add_resource` and `add_view` belong to the default server, which the DJANGO_MCP setting describes
and which is built when the first of them is imported; `MCPServer("name")` makes another one.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from . import questions, types
from .default import MCPServer, default_server
from .protocol.types import Icon
from .server.access import ANONYMOUS, Principal
from .server.content import Audio, File, Image
from .server.context import Context
from .server.errors import ClientCannotAnswer, NoAnswer, NotFound, NotPermitted, ToolError
from .server.questions import Answer
from .server.server import CacheHint

if TYPE_CHECKING:
    from .exposure.models.options import ModelResource

    _server = default_server()
    add_resource = _server.add_resource
    add_view = _server.add_view
    completion = _server.completion
    expose = _server.expose
    prompt = _server.prompt
    resource = _server.resource
    tool = _server.tool

__all__ = [
    "ANONYMOUS",
    "Answer",
    "Audio",
    "CacheHint",
    "ClientCannotAnswer",
    "Context",
    "File",
    "Icon",
    "Image",
    "MCPServer",
    "ModelResource",
    "NoAnswer",
    "NotFound",
    "NotPermitted",
    "Principal",
    "ToolError",
    "add_resource",
    "add_view",
    "completion",
    "default_server",
    "expose",
    "prompt",
    "questions",
    "resource",
    "tool",
    "types",
]

_BOUND = frozenset(
    {"add_resource", "add_view", "completion", "expose", "prompt", "resource", "tool"}
)


def __getattr__(name: str) -> Any:
    # Bound when asked for and not on import, because settings may not be there yet (PEP 562).
    if name in _BOUND:
        return getattr(default_server(), name)
    if name == "ModelResource":
        return import_module(".exposure.models.options", __name__).ModelResource
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
