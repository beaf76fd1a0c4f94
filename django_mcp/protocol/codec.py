"""Typed values to the wire dict of one revision, and back.

This module owns what happens to a value on its way: which fields a revision has (it acts on the
marks of types/base.py), what is written in place of a thing the revision does not know
(`STAND_INS`), and what is said about input that does not fit. Bytes and envelopes belong to
jsonrpc.py.

`encode` runs on every call, so for each class and revision a writer is made once: a closure over
the list of fields, which descends only where a field can hold another WireModel. Plain JSON
(`arguments`, `structuredContent`, schemas, `_meta`) goes through by reference.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final, TypeAlias, TypeVar, get_args

from pydantic import ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from .errors import InvalidParams
from .revisions import REVISIONS, V2024_11_05, V2025_03_26, V2025_06_18, Revision
from .types import (
    AudioContent,
    LegacyTitledEnumSchema,
    Narrow,
    Omit,
    RequestedSchema,
    ResourceLink,
    SamplingMessage,
    Since,
    TextContent,
    TitledMultiSelectEnumSchema,
    TitledSingleSelectEnumSchema,
    ToolResultContent,
    ToolUseContent,
    Until,
    UntitledMultiSelectEnumSchema,
    WireModel,
)

T = TypeVar("T", bound=WireModel)

Writer: TypeAlias = Callable[[Any], Any]


def encode(value: WireModel, revision: Revision) -> dict[str, Any]:
    """Give the wire dict of `value` in that revision.

    Absent fields, and fields the revision does not have, are left out, at every depth; a required
    field is written even if it is None. What the revision does not know otherwise is replaced as
    `STAND_INS` says. Plain JSON in the result is the caller's own object, not a copy.
    """
    wire: dict[str, Any] = _WRITERS[revision][type(value)](value)
    return wire


def decode(type_: type[T], data: object, revision: Revision, *, at: str = "params") -> T:
    """Read a value of `type_` from `data`, which is as JSON gave it.

    Unknown fields are ignored, and so are fields of `type_` itself that the revision does not have.
    Raises InvalidParams, and nothing else: its message names up to five problems, each by its place
    in the object, which is called `at`.
    """
    read, foreign = _READERS[revision][type_]
    if foreign and isinstance(data, dict) and not foreign.isdisjoint(data):
        data = {name: value for name, value in data.items() if name not in foreign}
    try:
        value: T = read(data, by_alias=True, by_name=False)
        return value
    except ValidationError as error:
        raise InvalidParams(_describe(error, data, at)) from None


# ------------------------------------------------------------------------------ fields of a class


def _wire_name(name: str, field: FieldInfo) -> str:
    return field.alias or name


def _exists(field: FieldInfo, revision: Revision) -> bool:
    return all(mark.holds(revision) for mark in field.metadata if isinstance(mark, Since | Until))


def _foreign_names(type_: type[WireModel], revision: Revision) -> frozenset[str]:
    """Collect the wire names of the fields that the revision does not have."""
    return frozenset(
        _wire_name(name, field)
        for name, field in type_.model_fields.items()
        if not _exists(field, revision)
    )


def _may_hold_models(annotation: Any) -> bool:
    """Tell whether there can be a WireModel somewhere in a value of that type."""
    if isinstance(annotation, type) and issubclass(annotation, WireModel):
        return True
    return any(_may_hold_models(argument) for argument in get_args(annotation))


_NO_VALUE: Final = object()


def _absent(field: FieldInfo) -> object:
    """Give the value of a field that need not be written; for a required field there is none."""
    if field.is_required():
        return _NO_VALUE
    return next((mark.value for mark in field.metadata if isinstance(mark, Omit)), None)


# ---------------------------------------------------------------------------------------- reading


class _Readers(dict[type[WireModel], tuple[Callable[..., Any], frozenset[str]]]):
    """How values are read in one revision: by what, and which names are passed over before."""

    def __init__(self, revision: Revision) -> None:
        super().__init__()
        self.revision = revision

    def __missing__(self, class_: type[WireModel]) -> tuple[Callable[..., Any], frozenset[str]]:
        # What model_validate() calls, without the checks of its own options.
        read = class_.__pydantic_validator__.validate_python
        self[class_] = read, _foreign_names(class_, self.revision)
        return self[class_]


_READERS: dict[Revision, _Readers] = {revision: _Readers(revision) for revision in REVISIONS}


# ---------------------------------------------------------------------------------------- writing


class _Writers(dict[type[WireModel], Writer]):
    """The writers of one revision; each is made when a value of its class first comes by."""

    def __init__(self, revision: Revision) -> None:
        super().__init__()
        self.revision = revision

    def __missing__(self, class_: type[WireModel]) -> Writer:
        writer = self._of_fields(class_)
        narrowed = self._narrowed(class_)
        if narrowed:
            writer = _dropping(narrowed, writer)
        if class_.model_config.get("extra") == "allow":
            writer = _with_extra_fields(writer)
        make = _stand_in_for(class_, self.revision)
        if make is not None:
            writer = self._replacing(class_, make, writer)
        self[class_] = writer
        return writer

    def _of_fields(self, class_: type[WireModel]) -> Writer:
        fields = tuple(
            (
                name,
                _wire_name(name, field),
                _absent(field),
                self._nested if _may_hold_models(field.annotation) else None,
            )
            for name, field in class_.model_fields.items()
            if _exists(field, self.revision)
        )

        def write(value: WireModel) -> dict[str, Any]:
            attributes = value.__dict__
            wire: dict[str, Any] = {}
            for name, wire_name, absent, descend in fields:
                item = attributes[name]
                if item is not absent:
                    wire[wire_name] = item if descend is None else descend(item)
            return wire

        return write

    def _nested(self, item: Any) -> Any:
        """Write what may be a model, a list or dict of models, or plain JSON."""
        # isinstance() asks pydantic's metaclass, in Python, for every value: types are compared
        # first, and a class that has been written before is known by its writer.
        kind = type(item)
        if kind is list:
            return [self._nested(part) for part in item]
        if kind is str or kind is dict:
            return item if kind is str else {k: self._nested(v) for k, v in item.items()}
        writer = self.get(kind)
        if writer is not None:
            return writer(item)
        return self[kind](item) if isinstance(item, WireModel) else item

    def _narrowed(self, class_: type[WireModel]) -> dict[str, Callable[[Any], bool]]:
        """Collect the fields of which this revision takes not every value."""
        return {
            _wire_name(name, field): mark.keep
            for name, field in class_.model_fields.items()
            for mark in field.metadata
            if isinstance(mark, Narrow) and not getattr(self.revision, mark.fact)
        }

    def _replacing(self, class_: type[WireModel], make: Replace, write: Writer) -> Writer:
        def replace(value: WireModel) -> Any:
            other = make(value, self.revision)
            return write(other) if type(other) is class_ else self[type(other)](other)

        return replace


def _dropping(narrowed: dict[str, Callable[[Any], bool]], write: Writer) -> Writer:
    def drop(value: WireModel) -> dict[str, Any]:
        wire: dict[str, Any] = write(value)
        for name, keep in narrowed.items():
            if name in wire and not keep(wire[name]):
                del wire[name]
        return wire

    return drop


def _with_extra_fields(write: Writer) -> Writer:
    return lambda value: {**(value.__pydantic_extra__ or {}), **write(value)}


# --------------------------------------------------------------------- what a revision cannot say

Replace: TypeAlias = Callable[[Any, Revision], WireModel]


@dataclass(frozen=True, slots=True, kw_only=True)
class StandIn:
    """Up to a revision, a value of the class is written as what `make` gives for it."""

    of: type[WireModel]
    until: Revision
    make: Replace


def _left_out(what: str, block: Any, revision: Revision) -> TextContent:
    """Give the text that stands for a block: what it was, and why it is not here."""
    text = f"[Left out, as protocol revision {revision} cannot carry it: {what}]"
    return TextContent(text=text, annotations=getattr(block, "annotations", None), meta=block.meta)


def _audio(block: AudioContent, revision: Revision) -> TextContent:
    return _left_out(f"audio, {block.mime_type}", block, revision)


def _resource_link(block: ResourceLink, revision: Revision) -> TextContent:
    # Name and URI are what a reader needs to fetch the resource after all.
    described = f", {block.description}" if block.description else ""
    what = f"link to the resource {block.title or block.name}, {block.uri}{described}"
    return _left_out(what, block, revision)


def _tool_use(block: ToolUseContent, revision: Revision) -> TextContent:
    arguments = json.dumps(block.input, ensure_ascii=False)
    return _left_out(f"call {block.id} of the tool {block.name} with {arguments}", block, revision)


def _tool_result(block: ToolResultContent, revision: Revision) -> TextContent:
    what = f"result of the tool call {block.tool_use_id}"
    return _left_out(f"{what}: {_as_text(block.content, revision)}", block, revision)


def _as_text(blocks: Iterable[WireModel], revision: Revision) -> str:
    """Put blocks into one text, each that is no text as a remark."""
    texts = []
    for block in blocks:
        make = _stand_in_for(type(block), revision)
        shown = make(block, revision) if make else block
        if not isinstance(shown, TextContent):
            kind = f"{getattr(shown, 'type', 'block')} of several blocks"
            shown = TextContent(text=f"[Left out, as {revision} carries one block: {kind}]")
        texts.append(shown.text)
    return "\n\n".join(texts)


def _one_block(message: SamplingMessage, revision: Revision) -> SamplingMessage:
    """Make a message of several blocks one of a single block."""
    if not isinstance(message.content, list):
        return message
    if len(message.content) == 1:
        return message.model_copy(update={"content": message.content[0]})
    text = TextContent(text=_as_text(message.content, revision))
    return message.model_copy(update={"content": text})


def _legacy_enum(schema: TitledSingleSelectEnumSchema, _: Revision) -> LegacyTitledEnumSchema:
    return LegacyTitledEnumSchema(
        title=schema.title,
        description=schema.description,
        enum=[option.const for option in schema.one_of],
        enum_names=[option.title for option in schema.one_of],
        default=schema.default,
    )


def _without_multi_select(form: RequestedSchema, _: Revision) -> RequestedSchema:
    """Take out the fields of which several choices may be taken: an answer could not say which."""
    several = (UntitledMultiSelectEnumSchema, TitledMultiSelectEnumSchema)
    kept = {k: field for k, field in form.properties.items() if not isinstance(field, several)}
    required = form.required and [name for name in form.required if name in kept]
    return form.model_copy(update={"properties": kept, "required": required})


STAND_INS: tuple[StandIn, ...] = (
    StandIn(of=AudioContent, until=V2024_11_05, make=_audio),
    StandIn(of=ResourceLink, until=V2025_03_26, make=_resource_link),
    StandIn(of=ToolUseContent, until=V2025_06_18, make=_tool_use),
    StandIn(of=ToolResultContent, until=V2025_06_18, make=_tool_result),
    StandIn(of=SamplingMessage, until=V2025_06_18, make=_one_block),
    StandIn(of=TitledSingleSelectEnumSchema, until=V2025_06_18, make=_legacy_enum),
    StandIn(of=RequestedSchema, until=V2025_06_18, make=_without_multi_select),
)
"""What is written for a thing that older revisions do not know."""


def _stand_in_for(class_: type[WireModel], revision: Revision) -> Replace | None:
    return next(
        (row.make for row in STAND_INS if revision <= row.until and issubclass(class_, row.of)),
        None,
    )


_WRITERS: dict[Revision, _Writers] = {revision: _Writers(revision) for revision in REVISIONS}


# --------------------------------------------------------------------------- what is wrong with it

# Only what is shown is put in words, and where there is a great deal it is only counted: what is
# wrong is the sender's to choose, and must not cost more than it did to send.
_MOST_EXAMINED = 1_000
_MOST_PROBLEMS = 5
_LONGEST_ECHO = 100

_WANTED = {
    "string_type": "a string",
    "string_unicode": "a string of valid Unicode",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "bool_type": "true or false",
    "list_type": "an array",
    "dict_type": "an object",
    "model_type": "an object",
    "model_attributes_type": "an object",
}
"""What was wanted, for each of pydantic's error types that strict JSON can lead to."""


def _describe(error: ValidationError, data: object, at: str) -> str:
    """Put pydantic's errors in words: one for each place, with what is wanted there."""
    if error.error_count() > _MOST_EXAMINED:
        return f"{at}: {error.error_count()} things in it are wrong, too many to name any"
    places: dict[tuple[str | int, ...], list[ErrorDetails]] = {}
    for problem in error.errors(include_url=False):
        places.setdefault(_place(problem, data), []).append(problem)
    lines = [
        _line(_path(at, place), found) for place, found in islice(places.items(), _MOST_PROBLEMS)
    ]
    if len(places) > len(lines):
        lines.append(f"and {len(places) - len(lines)} more")
    # A lone surrogate is legal in JSON, but the message must be encodable.
    return "; ".join(lines).encode(errors="backslashreplace").decode()


def _line(path: str, problems: list[ErrorDetails]) -> str:
    wanted: dict[str, None] = {}
    instead = ""
    for problem in problems:
        wants, instead = _wanted(problem)
        wanted.setdefault(wants)
    return f"{path}: {' or '.join(wanted)} is required{instead}"


def _wanted(problem: ErrorDetails) -> tuple[str, str]:
    """Give what is wanted, and what was found instead (", not 5")."""
    kind, context = problem["type"], problem.get("ctx", {})
    if kind in _TAGS:
        wants = f"one of {context['expected_tags']}" if "tag" in context else "a value"
        return wants, _not(context["tag"]) if "tag" in context else ""
    if kind == "missing":
        return "a value", ""
    if kind in _WANTED:
        wants = _WANTED[kind]
    elif kind == "literal_error":
        wants = context["expected"]
    elif kind == "is_instance_of":
        wants = "an array" if context["class"] == "list" else "an object"
    else:
        # Our own, from a Discriminator: what the object lacks, not that it is one.
        return problem["msg"], "" if isinstance(problem["input"], dict) else _not(problem["input"])
    return wants, _not(problem["input"])


_TAGS = ("union_tag_not_found", "union_tag_invalid")


def _place(problem: ErrorDetails, data: object) -> tuple[str | int, ...]:
    """Give the steps to what is wrong; what is missing is the last of them, and not in the data.

    Pydantic also puts the names of a union's arms into a location: what is not in the data is one.
    """
    location, missing = problem["loc"], problem["type"] == "missing"
    if problem["type"] in _TAGS:
        location, missing = (*location, problem["ctx"]["discriminator"].strip("'")), True
    steps: list[str | int] = []
    node = data
    for index, part in enumerate(location, start=1):
        if isinstance(node, list) and isinstance(part, int) and part < len(node):
            node = node[part]
        elif isinstance(node, dict) and (part in node or (missing and index == len(location))):
            node = node.get(part)
        else:
            continue
        steps.append(part)
    return tuple(steps)


def _path(at: str, place: Sequence[str | int]) -> str:
    parts = [f"[{part}]" if isinstance(part, int) else f".{_clip(part)}" for part in place]
    return _clip(at + "".join(parts))


def _not(value: object) -> str:
    return f", not {_echo(value)}"


def _echo(value: object) -> str:
    """Show what was found instead, or a part of it."""
    if isinstance(value, dict):
        return "an object"
    if isinstance(value, list):
        return "an array"
    if isinstance(value, str):
        return _clip(json.dumps(value[:_LONGEST_ECHO], ensure_ascii=False))
    if value is None or isinstance(value, bool | float):
        return json.dumps(value)
    if isinstance(value, int):
        # Python refuses to write out a number of more than 4300 digits.
        return str(value) if abs(value) < 10**_LONGEST_ECHO else "a very large number"
    return f"a {type(value).__name__}"


def _clip(text: str) -> str:
    return text if len(text) <= _LONGEST_ECHO else f"{text[: _LONGEST_ECHO - 1]}…"
