"""The blocks that messages and results are made of: text, images, audio, resources, links.

A block that a revision does not know is replaced by codec.py. Resources as they are listed and
read are in resources.py; what a model's tool calls look like, in sampling.py.
"""

from typing import Annotated, Any, Literal, TypeAlias

from pydantic import Discriminator, Field, Tag

from django_mcp.protocol.revisions import V2025_06_18

from .base import (
    BaseMetadata,
    Icons,
    JSONObject,
    JSONValue,
    Meta,
    Narrow,
    Number,
    Omit,
    Role,
    Since,
    WireModel,
)

OBJECTS_ONLY = Narrow(
    fact="any_json_structured_content", keep=lambda value: isinstance(value, dict)
)
"""The mark of a structured content (2025-06-18, server/tools#structured-content)."""


class Annotations(WireModel):
    """Hints for the client: for whom the thing is, how much it matters (0 to 1), how old it is.

    `last_modified` is an ISO 8601 date and time.
    """

    audience: list[Role] | None = None
    priority: Number | None = None
    last_modified: Annotated[str | None, Since(V2025_06_18)] = None


# -------------------------------------------------------------------------- contents of a resource


class ResourceContents(WireModel):
    """The contents of a resource, or of a part of it."""

    uri: str
    mime_type: str | None = None
    meta: Annotated[Meta, Since(V2025_06_18)] = None


class TextResourceContents(ResourceContents):
    """Contents that are text."""

    text: str


class BlobResourceContents(ResourceContents):
    """Contents that are bytes; `blob` is their Base64."""

    blob: str


def _text_or_blob(value: Any) -> str | None:
    for kind in ("text", "blob"):
        if kind in value if isinstance(value, dict) else hasattr(value, kind):
            return kind
    return None


AnyResourceContents: TypeAlias = Annotated[
    Annotated[TextResourceContents, Tag("text")] | Annotated[BlobResourceContents, Tag("blob")],
    Discriminator(
        _text_or_blob,
        custom_error_type="resource_contents",
        custom_error_message="an object with text or blob",
    ),
]


# ------------------------------------------------------------------------------------------ blocks


class TextContent(WireModel):
    """Text."""

    type: Literal["text"] = "text"
    text: str
    annotations: Annotations | None = None
    meta: Annotated[Meta, Since(V2025_06_18)] = None


class ImageContent(WireModel):
    """A picture; `data` is its Base64."""

    type: Literal["image"] = "image"
    data: str
    mime_type: str
    annotations: Annotations | None = None
    meta: Annotated[Meta, Since(V2025_06_18)] = None


class AudioContent(WireModel):
    """A sound; `data` is its Base64. Since 2025-03-26."""

    type: Literal["audio"] = "audio"
    data: str
    mime_type: str
    annotations: Annotations | None = None
    meta: Annotated[Meta, Since(V2025_06_18)] = None


class EmbeddedResource(WireModel):
    """A resource with its contents."""

    type: Literal["resource"] = "resource"
    resource: AnyResourceContents
    annotations: Annotations | None = None
    meta: Annotated[Meta, Since(V2025_06_18)] = None


class Resource(BaseMetadata, Icons):
    """A resource the server knows, without its contents; `size` is in bytes."""

    uri: str
    description: str | None = None
    mime_type: str | None = None
    annotations: Annotations | None = None
    size: int | None = None
    meta: Annotated[Meta, Since(V2025_06_18)] = None


class ResourceLink(Resource):
    """A resource the client may read, mentioned in a result. Since 2025-06-18."""

    type: Literal["resource_link"] = "resource_link"


ContentBlock: TypeAlias = Annotated[
    TextContent | ImageContent | AudioContent | ResourceLink | EmbeddedResource,
    Field(discriminator="type"),
]


# ---------------------------------------------------------------------- what a model's tools need


class ToolUseContent(WireModel):
    """A model asks for a tool to be called. In sampling, since 2025-11-25."""

    type: Literal["tool_use"] = "tool_use"
    id: str
    name: str
    input: JSONObject
    meta: Meta = None


class ToolResultContent(WireModel):
    """What the tool answered, for the model. In sampling, since 2025-11-25."""

    type: Literal["tool_result"] = "tool_result"
    tool_use_id: str
    content: list[ContentBlock]
    structured_content: Annotated[JSONValue | None, OBJECTS_ONLY] = None
    is_error: Annotated[bool, Omit(False)] = False
    meta: Meta = None
