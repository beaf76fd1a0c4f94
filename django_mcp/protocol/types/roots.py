"""roots/list: asking the client which directories and files it is about."""

from typing import Annotated, Literal

from django_mcp.protocol.revisions import V2025_06_18, V2025_11_25

from .base import Meta, RequestParams, Since, Until, WireModel


class Root(WireModel):
    """A directory or file the client is about; `uri` begins with `file://`."""

    uri: str
    name: str | None = None
    meta: Annotated[Meta, Since(V2025_06_18)] = None


class ListRootsRequest(WireModel):
    """The question as it travels inside an input_required result."""

    method: Literal["roots/list"] = "roots/list"
    params: RequestParams | None = None


class ListRootsResult(WireModel):
    """The client's roots."""

    roots: list[Root]
    meta: Annotated[Meta, Until(V2025_11_25)] = None
