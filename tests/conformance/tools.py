"""Tools that answer at once: every kind of content, an error, a schema kept word for word."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from django_mcp import Audio, File, Image, ToolError

from .fixture import server
from .media import PNG, WAV

# The first tool of the list is also the one that scenarios call without knowing it.


@server.tool("test_simple_text")
async def simple_text() -> str:
    """Answer with text."""
    return "This is a simple text response for testing."


@server.tool("test_image_content")
async def image_content() -> Image:
    """Answer with a picture."""
    return Image(data=PNG)


@server.tool("test_audio_content")
async def audio_content() -> Audio:
    """Answer with a sound."""
    return Audio(data=WAV)


@server.tool("test_embedded_resource")
async def embedded_resource() -> File:
    """Answer with a resource inside the result."""
    return File(
        data="This is an embedded resource content.",
        uri="test://embedded-resource",
        mime_type="text/plain",
    )


@server.tool("test_multiple_content_types")
async def multiple_content_types() -> list[str | Image | File]:
    """Answer with text, a picture and a resource."""
    return [
        "Multiple content types test:",
        Image(data=PNG),
        File(
            data='{"test":"data","value":123}',
            uri="test://mixed-content-resource",
            mime_type="application/json",
        ),
    ]


@server.tool("test_error_handling")
def error_handling() -> str:
    """Fail, and say why."""
    raise ToolError("This tool intentionally returns an error for testing")


CONTACT: dict[str, Any] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "$defs": {
        "address": {
            "$anchor": "addressDef",
            "type": "object",
            "properties": {"street": {"type": "string"}, "city": {"type": "string"}},
        }
    },
    "properties": {
        "name": {"type": "string"},
        "address": {"$ref": "#/$defs/address"},
        "contactMethod": {"type": "string", "enum": ["phone", "email"]},
        "phone": {"type": "string"},
        "email": {"type": "string"},
    },
    "allOf": [{"anyOf": [{"required": ["phone"]}, {"required": ["email"]}]}],
    "if": {"properties": {"contactMethod": {"const": "phone"}}, "required": ["contactMethod"]},
    "then": {"required": ["phone"]},
    "else": {"required": ["email"]},
    "additionalProperties": False,
}


@server.tool("json_schema_2020_12_tool", input_schema=CONTACT)
async def json_schema_2020_12(arguments: dict[str, Any]) -> str:
    """Take arguments whose schema has the keywords of JSON Schema 2020-12."""
    return f"JSON Schema 2020-12 tool called with: {', '.join(arguments) or 'nothing'}"


@server.tool("test_x_mcp_header")
async def x_mcp_header(
    region: Annotated[str | None, Field(json_schema_extra={"x-mcp-header": "Region"})] = None,
) -> str:
    """Take an argument that the request repeats in a header."""
    return f"Region: {region}"
