"""tools/*: listing tools and calling one."""

from typing import Annotated, Literal

from django_mcp.protocol.revisions import V2025_03_26, V2025_06_18, V2025_11_25

from .base import (
    BaseMetadata,
    CacheableResult,
    Icons,
    InputResponseRequestParams,
    JSONObject,
    JSONValue,
    Meta,
    Narrow,
    Omit,
    Result,
    Since,
    Until,
    WireModel,
)
from .content import OBJECTS_ONLY, ContentBlock
from .pagination import PaginatedResult


class ToolAnnotations(WireModel):
    """Hints about what a tool does; a client must not trust those of a server it does not trust.

    Absent, a tool counts as one that writes, may destroy, is not idempotent and reaches outside
    (2025-03-26, server/tools#tool).
    """

    title: str | None = None
    read_only_hint: bool | None = None
    destructive_hint: bool | None = None
    idempotent_hint: bool | None = None
    open_world_hint: bool | None = None


class ToolExecution(WireModel):
    """Whether the tool can be called as a task, in 2025-11-25."""

    task_support: Literal["forbidden", "optional", "required"] | None = None


def _describes_object(schema: JSONObject) -> bool:
    return schema.get("type") == "object"


class Tool(BaseMetadata, Icons):
    """A tool the server offers.

    Both schemas are JSON Schema, by default of 2020-12. `input_schema` always has the type
    `object`; an `output_schema` of another type is written from 2026-07-28 on.
    """

    description: str | None = None
    input_schema: JSONObject
    execution: Annotated[ToolExecution | None, Since(V2025_11_25), Until(V2025_11_25)] = None
    output_schema: Annotated[
        JSONObject | None,
        Since(V2025_06_18),
        Narrow(fact="any_json_structured_content", keep=_describes_object),
    ] = None
    annotations: Annotated[ToolAnnotations | None, Since(V2025_03_26)] = None
    meta: Annotated[Meta, Since(V2025_06_18)] = None


class ListToolsResult(PaginatedResult, CacheableResult):
    """A page of the server's tools."""

    tools: list[Tool]


class CallToolRequestParams(InputResponseRequestParams):
    """tools/call: which tool, and its arguments."""

    name: str
    arguments: JSONObject | None = None


class CallToolResult(Result):
    """What the tool answered; `is_error` means that the tool itself failed.

    `structured_content` may be any JSON value but null, which means absent; before 2026-07-28 one
    that is no object is not written.
    """

    content: list[ContentBlock]
    structured_content: Annotated[JSONValue | None, Since(V2025_06_18), OBJECTS_ONLY] = None
    is_error: Annotated[bool, Omit(False)] = False
