"""What every wire type is built from: the base class, the marks on fields, and plain JSON.

A field says itself in which revisions it exists, by a mark in its annotation:

    title: Annotated[str | None, Since(V2025_06_18)] = None

The marks are only data; codec.py is what acts on them. Shapes that belong to a feature are in the
module of that feature; here are only those that every feature uses.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, InstanceOf
from pydantic.alias_generators import to_camel

from django_mcp.protocol.revisions import V2025_06_18, V2025_11_25, V2026_07_28, Revision

# ------------------------------------------------------------------------------------- plain JSON

JSONValue: TypeAlias = Any
"""Any JSON value; kept as it is, by reference."""

JSONObject: TypeAlias = Annotated[dict[str, Any], InstanceOf()]
"""A JSON object of which MCP does not say more; kept as it is, by reference."""

JSONArray: TypeAlias = Annotated[list[Any], InstanceOf()]
"""A JSON array of which MCP does not say more; kept as it is, by reference."""

MetaObject: TypeAlias = JSONObject
"""What `_meta` holds: reserved keys (see meta.py) and anybody's own."""

Meta: TypeAlias = Annotated[MetaObject | None, Field(alias="_meta")]
"""The type of a field `meta`, whose wire name is `_meta`."""

RequestId: TypeAlias = str | int
ProgressToken: TypeAlias = str | int
Number: TypeAlias = int | float
Cursor: TypeAlias = str
Role: TypeAlias = Literal["user", "assistant"]
ResultType: TypeAlias = str
"""`complete`, `input_required`, or what an extension brings."""


# ------------------------------------------------------------------------------------------ marks


@dataclass(frozen=True, slots=True)
class Since:
    """The first revision that has the field."""

    revision: Revision

    def holds(self, revision: Revision) -> bool:
        return revision >= self.revision


@dataclass(frozen=True, slots=True)
class Until:
    """The last revision that has the field."""

    revision: Revision

    def holds(self, revision: Revision) -> bool:
        return revision <= self.revision


@dataclass(frozen=True, slots=True)
class Omit:
    """The value that absence means, so that it need not be written; True, False or None."""

    value: bool | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Narrow:
    """In a revision without the fact of that name, only a value that passes `keep` is written."""

    fact: str
    keep: Callable[[Any], bool]


# ------------------------------------------------------------------------------------- base class


class WireModel(BaseModel):
    """A JSON object of the protocol: frozen, and exact about the types of its fields.

    Attributes are in snake_case, wire names in camelCase; a constructor takes either. None means
    that the field is absent. Unknown fields are ignored. `"1"` is not taken for 1, nor 1 for True.
    Write it with `codec.encode` and read it with `codec.decode`, which know the revision;
    pydantic's own dumping does not.
    """

    model_config = ConfigDict(
        frozen=True,
        strict=True,
        extra="ignore",
        alias_generator=to_camel,
        validate_by_name=True,
        validate_by_alias=True,
        # Most processes that serve one client use few of them, and building all takes a while.
        defer_build=True,
    )


def build() -> None:
    """Build every wire type that is known, in place of each when it is first used."""
    classes: list[type[WireModel]] = [WireModel]
    for class_ in classes:
        class_.model_rebuild()
        classes += class_.__subclasses__()


# ----------------------------------------------------------------------------- params and results


class RequestParams(WireModel):
    """What the params of every request may hold."""

    meta: Meta = None


class InputResponseRequestParams(RequestParams):
    """What a request may hold that can be answered with questions (basic/patterns/mrtr).

    `input_responses` has an answer for each question, by its key. Received, they are plain dicts:
    which type each has, only the question tells, and answers that nobody asked for are to be
    ignored. `request_state` is what the server sent along with the questions, unchanged.
    """

    input_responses: Annotated[
        dict[str, InstanceOf[WireModel] | JSONObject] | None, Since(V2026_07_28)
    ] = None
    request_state: Annotated[str | None, Since(V2026_07_28)] = None


class NotificationParams(WireModel):
    """What the params of every notification may hold."""

    meta: Meta = None


class Result(WireModel):
    """What every result holds."""

    meta: Meta = None
    result_type: Annotated[ResultType, Since(V2026_07_28)] = "complete"


class EmptyResult(Result):
    """The result of a request that answers nothing but that it is done."""


class CacheableResult(Result):
    """A result that says how long, and by whom, it may be kept (server/utilities/caching).

    `ttl_ms` is in milliseconds; a negative one counts as 0, as the specification asks of clients.
    """

    ttl_ms: Annotated[int, AfterValidator(lambda ttl: max(ttl, 0)), Since(V2026_07_28)] = 0
    cache_scope: Annotated[Literal["public", "private"], Since(V2026_07_28)] = "private"


# ---------------------------------------------------------------------------- names and their icons


class Icon(WireModel):
    """A picture for a user interface: `src` is an https: or data: URI (basic/index#icons)."""

    src: str
    mime_type: str | None = None
    sizes: list[str] | None = None
    theme: Literal["light", "dark"] | None = None


class Icons(WireModel):
    """Something that may have icons."""

    icons: Annotated[list[Icon] | None, Since(V2025_11_25)] = None


class BaseMetadata(WireModel):
    """Something with a name for programs and, if it is set, a title for people."""

    name: str
    title: Annotated[str | None, Since(V2025_06_18)] = None


class Implementation(BaseMetadata, Icons):
    """A program that speaks MCP, as it presents itself."""

    version: str
    description: Annotated[str | None, Since(V2025_11_25)] = None
    website_url: Annotated[str | None, Since(V2025_11_25)] = None
