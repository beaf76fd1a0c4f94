"""initialize, server/discover, and the capabilities that both sides declare."""

from typing import Annotated

from pydantic import ConfigDict

from django_mcp.protocol.revisions import V2025_03_26, V2025_06_18, V2025_11_25, V2026_07_28

from .base import (
    CacheableResult,
    Implementation,
    JSONObject,
    RequestParams,
    Result,
    Since,
    Until,
    WireModel,
)

# ------------------------------------------------------------------------------------ capabilities


class _Capabilities(WireModel):
    """What one side can do. The set is open: what is unknown is kept, and written again."""

    model_config = ConfigDict(extra="allow")

    experimental: dict[str, JSONObject] | None = None
    tasks: Annotated[JSONObject | None, Since(V2025_11_25), Until(V2025_11_25)] = None
    extensions: Annotated[dict[str, JSONObject] | None, Since(V2026_07_28)] = None


class RootsCapability(WireModel):
    """The client can list its roots."""

    list_changed: Annotated[bool | None, Until(V2025_11_25)] = None


class SamplingCapability(WireModel):
    """The client can ask a language model."""

    context: Annotated[JSONObject | None, Since(V2025_11_25)] = None
    tools: Annotated[JSONObject | None, Since(V2025_11_25)] = None


class ElicitationCapability(WireModel):
    """The client can ask the user; with neither mode named, by a form."""

    form: Annotated[JSONObject | None, Since(V2025_11_25)] = None
    url: Annotated[JSONObject | None, Since(V2025_11_25)] = None


class ClientCapabilities(_Capabilities):
    """What the client can do for the server."""

    roots: RootsCapability | None = None
    sampling: SamplingCapability | None = None
    elicitation: Annotated[ElicitationCapability | None, Since(V2025_06_18)] = None


class PromptsCapability(WireModel):
    """The server has prompts."""

    list_changed: bool | None = None


class ResourcesCapability(WireModel):
    """The server has resources."""

    subscribe: bool | None = None
    list_changed: bool | None = None


class ToolsCapability(WireModel):
    """The server has tools."""

    list_changed: bool | None = None


class ServerCapabilities(_Capabilities):
    """What the server can do for the client."""

    logging: JSONObject | None = None
    completions: Annotated[JSONObject | None, Since(V2025_03_26)] = None
    prompts: PromptsCapability | None = None
    resources: ResourcesCapability | None = None
    tools: ToolsCapability | None = None


# -------------------------------------------------------------------------------- the two openings


class InitializeRequestParams(RequestParams):
    """initialize, up to 2025-11-25: which revision the client wants, and who it is."""

    protocol_version: str
    capabilities: ClientCapabilities
    client_info: Implementation


class InitializeResult(Result):
    """Which revision it will be, and who the server is."""

    protocol_version: str
    capabilities: ServerCapabilities
    server_info: Implementation
    instructions: str | None = None


class DiscoverResult(CacheableResult):
    """server/discover, since 2026-07-28: which revisions there are, and what the server can do."""

    supported_versions: list[str]
    capabilities: ServerCapabilities
    instructions: str | None = None
