"""Resources: text, bytes, one that clients watch, and a template."""

from __future__ import annotations

from typing import Any

from .fixture import server
from .media import PNG

server.add_resource(
    "test://static-text",
    "This is the content of the static text resource.",
    name="static-text",
    description="A text.",
)
server.add_resource(
    "test://static-binary",
    PNG,
    name="static-binary",
    description="A picture.",
    mime_type="image/png",
)


@server.resource("test://watched-resource", name="watched-resource", mime_type="text/plain")
async def watched() -> str:
    """A resource to subscribe to."""
    return "Watched resource content."


@server.resource("test://template/{id}/data", name="template-data", mime_type="application/json")
def template_data(id: str) -> dict[str, Any]:
    """The data of any id."""
    return {"id": id, "templateTest": True, "data": f"Data for ID: {id}"}
