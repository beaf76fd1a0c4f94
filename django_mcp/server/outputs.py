"""What a function declares to return → an output schema; what it returns → plain JSON that fits.

``Output`` is built once, when a tool is registered. Writing the JSON and the content blocks of one
result is ``results``; how a type becomes a schema, ``json_schema``.
"""

from __future__ import annotations

import types
import typing
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import PurePath
from typing import Annotated, Any, NoReturn, Union

from pydantic import TypeAdapter, ValidationError
from pydantic.errors import PydanticInvalidForJsonSchema, PydanticSchemaGenerationError
from pydantic_core import to_json, to_jsonable_python

from ..protocol import problems
from ..protocol.types import (
    AudioContent,
    CallToolResult,
    EmbeddedResource,
    ImageContent,
    ResourceLink,
    TextContent,
)
from .content import Audio, File, Image
from .errors import InvalidResult, RegistrationError
from .json_schema import drop_title, schema_of
from .signatures import MISSING, Signature

BLOCKS = (TextContent, ImageContent, AudioContent, EmbeddedResource, ResourceLink)
MEDIA = (Image, Audio, File)

_LISTS = (list, tuple, Sequence, Iterable)
_NOTHING = (None, type(None), typing.Never, NoReturn)


class Output:
    """The declared result of one function.

    A declared type that has a JSON Schema is published and enforced. Revisions before 2026-07-28
    allow objects only (``any_json`` is False), so there anything else stands in ``{"result": …}``.
    In every revision so does a type that may be null, because a structured content of null cannot
    be told from none.

    No schema have content blocks, ``Image`` and its like, lists and unions with these in them,
    ``CallToolResult``, ``None``, ``Any``, a list of anything, and a missing annotation. What such a
    function returns is still structured content if it is a JSON object.
    """

    __slots__ = (
        "_adapter",
        "_schema",
        "_wrapped",
        "_wraps",
        "declared",
        "enabled",
        "exact",
        "name",
        "shows",
    )

    declared: bool
    """Whether there is an output schema, which every result then has to fit."""

    exact: type | None
    """The type whose values are plain JSON that fits as they are; None where there is none."""

    enabled: bool
    """Whether there may be structured content at all: ``structured_output=False`` turns it off."""

    shows: bool
    """Whether the declared type is made of content blocks, so that an empty list is no content."""

    def __init__(self, signature: Signature, structured_output: bool | None = None) -> None:
        """Take the return annotation of ``signature``.

        ``structured_output`` None decides by the type; True insists, and False publishes nothing.
        Raises RegistrationError where True has no schema to publish, and for bytes.
        """
        annotation = signature.returns
        self.name = signature.name
        self.enabled = structured_output is not False
        self.shows = _mentions_blocks(annotation)
        self._adapter: TypeAdapter[Any] | None = None
        self._schema: dict[str, Any] | None = None
        self._wrapped: dict[str, Any] | None = None
        self._wraps = False
        self.declared = False
        self.exact = None
        if _bare(annotation) in (bytes, bytearray, memoryview):
            raise RegistrationError(
                f"{self.name}() returns {_bare(annotation).__name__}, which does not say "
                "what is in it: return an Image, an Audio or a File."
            )
        if structured_output is True or (self.enabled and not self.shows and _says(annotation)):
            self._declare(_declared(annotation), insist=structured_output is True)

    def schema_for(self, any_json: bool) -> dict[str, Any] | None:
        """The output schema; ``any_json`` is the revision's ``any_json_structured_content``."""
        return self._schema if any_json and not self._wraps else self._wrapped

    def structured(self, value: Any, any_json: bool) -> Any:
        """The structured content for ``value``, or None where it has none."""
        return self.wrap(self.dump(value), any_json)

    def wrap(self, dumped: Any, any_json: bool) -> Any:
        """The structured content for what ``dump`` returned, or None where it has none."""
        if self._adapter is None:
            return dumped if self.enabled and isinstance(dumped, dict) else None
        if self._wrapped is self._schema or (any_json and not self._wraps):
            return dumped
        return {"result": dumped}

    def dump(self, value: Any) -> Any:
        """Return ``value`` as plain JSON, checked against the declared type.

        Raises InvalidResult: the function returned what it had not declared, or what JSON has no
        way to write.
        """
        if type(value) is self.exact:
            return value
        if self._adapter is None:
            return plain_json(value, f"{self.name}()")
        try:
            checked = self._adapter.validate_python(value)
            dumped = self._adapter.dump_python(checked, mode="json", by_alias=True, warnings=False)
        except ValidationError as error:
            lines = problems.of_validation_error(error, value, {})
            raise InvalidResult(
                f"{self.name}() returned {problems.shown(value)}, which is not what its return "
                f"annotation promises: {'; '.join(lines)}."
            ) from error
        except ValueError as error:  # PydanticSerializationError, or a circle
            raise _unwritable(value, error, f"{self.name}()") from error
        return _writable(dumped, f"{self.name}()")

    # ------------------------------------------------------------------------------- registration

    def _declare(self, annotation: Any, *, insist: bool) -> None:
        try:
            adapter = TypeAdapter(Any if annotation is MISSING else annotation)
            schema = schema_of(adapter, "serialization")
        except Exception as error:
            unknown = isinstance(
                error, PydanticSchemaGenerationError | PydanticInvalidForJsonSchema
            )
            if unknown and not insist:
                return
            raise RegistrationError(
                f"The return type of {self.name}() cannot be described in JSON Schema "
                f"({str(error).partition(chr(10))[0]}): use a dataclass, a TypedDict or a pydantic "
                "model, or structured_output=False."
            ) from error
        drop_title(schema, getattr(_bare(annotation), "__name__", ""))
        self.declared, self._adapter, self._schema = True, adapter, schema
        if schema.get("type") == "object":
            self._wrapped = schema
            return
        self._wrapped = wrapped(schema)
        self._wraps = _may_be_null(adapter)
        self.exact = annotation if annotation in (str, int, bool) else None


def plain_json(value: Any, whose: str) -> Any:
    """Return a value nothing is declared of as plain JSON; ``whose`` begins an error's message.

    Raises InvalidResult for what JSON has no way to write.
    """
    try:
        dumped = to_jsonable_python(value, fallback=_known_elsewhere)
    except (TypeError, ValueError) as error:
        raise _unwritable(value, error, whose) from error
    return _writable(dumped, whose)


def kind_of(value: Any) -> str:
    """How a message names a value that cannot be served."""
    return "None" if value is None else f"a {type(value).__qualname__} object"


def _known_elsewhere(value: Any) -> Any:
    """What pydantic writes where it is declared, but does not know where it is not."""
    if isinstance(value, PurePath):
        return str(value)
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"there is {kind_of(value)} in it")


def _writable(dumped: Any, whose: str) -> Any:
    """Return ``dumped`` if it can be written: its numbers are finite, its texts are Unicode."""
    try:
        written = to_json(dumped)  # searching it is ten times as fast as walking a long list
    except ValueError as error:
        raise _unwritable(dumped, error, whose) from error
    if not problems.mentions_non_finite(written):
        return dumped
    if (place := problems.non_finite(dumped)) is not None:
        where = f" at {problems.path_of(place, dumped)}" if place else ""
        raise InvalidResult(
            f"{whose} returned a number{where} that is NaN or infinite, which JSON cannot write: "
            "return None in its place."
        )
    return dumped


def _unwritable(value: Any, error: Exception, whose: str) -> InvalidResult:
    reason = str(error).partition("\n")[0]
    return InvalidResult(
        f"{whose} returned {kind_of(value)}, which JSON cannot write ({reason}): return text, a "
        "dict, a dataclass or a pydantic model with the fields that the caller may see."
    )


def wrapped(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema of an object that has what ``schema`` describes as its ``result``."""
    inner = {key: value for key, value in schema.items() if key != "$defs"}
    wrapped = {"type": "object", "properties": {"result": inner}, "required": ["result"]}
    return {**wrapped, "$defs": schema["$defs"]} if "$defs" in schema else wrapped


def _may_be_null(adapter: TypeAdapter[Any]) -> bool:
    try:
        adapter.validate_python(None)
    except ValidationError:
        return False
    except Exception:  # an author's validator that did not expect it: the careful answer
        return True
    return True


def _says(annotation: Any) -> bool:
    """Whether an annotation says what is returned."""
    bare = _bare(annotation)
    if bare is CallToolResult:  # Annotated[CallToolResult, Model] declares the structured content
        return _declared(annotation) is not annotation
    if bare is MISSING or bare is Any or bare is object or bare in _NOTHING:
        return False
    origin = typing.get_origin(bare) or bare
    if origin in _LISTS:
        items = [item for item in typing.get_args(bare) if item is not Ellipsis]
        return bool(items) and any(_says(item) or item in _NOTHING for item in items)
    return True


def _declared(annotation: Any) -> Any:
    """The type of the structured content: the second part of ``Annotated[CallToolResult, T]``."""
    if typing.get_origin(annotation) is Annotated:
        first, second = typing.get_args(annotation)[:2]
        if first is CallToolResult:
            return second
    return annotation


def _mentions_blocks(annotation: Any) -> bool:
    """Whether a value may be, or hold in a list, a content block or a picture."""
    for part in _parts(annotation):
        items = typing.get_args(part) if typing.get_origin(part) in _LISTS else (part,)
        for item in items:
            for arm in _parts(item):
                if isinstance(arm, type) and issubclass(arm, (*BLOCKS, *MEDIA)):
                    return True
    return False


def _parts(annotation: Any) -> Iterator[Any]:
    """The arms of a union, without ``Annotated``."""
    bare = _bare(annotation)
    if typing.get_origin(bare) in (Union, types.UnionType):
        for arm in typing.get_args(bare):
            yield from _parts(arm)
    else:
        yield bare


def _bare(annotation: Any) -> Any:
    while typing.get_origin(annotation) is Annotated:
        annotation = typing.get_args(annotation)[0]
    return annotation
