"""A Python type as the form of an elicitation, and the user's answer as a value of that type.

Owns what a form is as a whole: the `requestedSchema` made of a type, or given raw, and the content
of an `ElicitResult` read back (2026-07-28, client/elicitation#requested-schema). What one property
may be is `form_fields`; how the question travels, and what happens when the user declines, is
`asking`; the schemas of tools, which may nest, are `schemas`.

    ValueError
    ├── UnaskableType    a type or a schema that is no flat form; for the author of the server
    └── InvalidAnswer    content that does not fit the form; for the client and its user
"""

from __future__ import annotations

import copy
import inspect
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, is_dataclass
from decimal import Decimal
from enum import Enum
from functools import lru_cache
from typing import (
    Any,
    Final,
    Generic,
    NotRequired,
    Required,
    TypeVar,
    cast,
    get_args,
    get_origin,
    get_type_hints,
    overload,
)

from pydantic import BaseModel, Field, RootModel, TypeAdapter, ValidationError, create_model
from pydantic.errors import PydanticUserError
from pydantic.json_schema import GenerateJsonSchema
from pydantic_core import SchemaError, core_schema, to_jsonable_python

from . import form_fields
from .form_fields import FormField

T = TypeVar("T")

#: The name of the one field of a form that asks for a bare type.
VALUE: Final = "value"


class UnaskableType(ValueError):
    """A type or a schema cannot be a form: names the field, the reason and what to do instead."""

    def __init__(self, spec: object, field: str | None, reason: object) -> None:
        name = "this schema" if isinstance(spec, dict) else getattr(spec, "__name__", repr(spec))
        what = "it" if field is None else f"the field {field!r}"
        super().__init__(f"Cannot ask for {name} in a form: {what} {reason}.")
        self.field = field


class InvalidAnswer(ValueError):
    """Content does not fit the form: `problems` has a text for each field, "" for the whole."""

    def __init__(self, problems: Mapping[str, str]) -> None:
        texts = [f"{name}: {text}" if name else text for name, text in problems.items()]
        super().__init__(f"The answer does not fit the form: {'; '.join(texts)}.")
        self.problems = dict(problems)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A field of a form: which answers fit, and the Python values that options stand for."""

    field: FormField
    required: bool
    meaning: Mapping[str, Any] | None = None

    def read(self, answer: object) -> Any:
        read = self.field.check(answer)
        if self.meaning is None:
            return read
        return [self.meaning[x] for x in read] if isinstance(read, list) else self.meaning[read]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Form(Generic[T]):
    """What a client is asked to fill in, and how its answer becomes a `T`; made by `form()`."""

    schema: Mapping[str, Any]
    fields: Mapping[str, Asked]
    finish: Callable[[dict[str, Any]], T]

    @property
    def requested_schema(self) -> dict[str, Any]:
        """The schema as it goes out: a copy of the caller's own, in the language now active."""
        return cast("dict[str, Any]", _plain(self.schema))

    def read(self, content: Mapping[str, Any] | None) -> T:
        """Return the answer as a value of the type that was asked for.

        What the form does not ask for is ignored; null counts as left out. Raises InvalidAnswer.
        """
        if content is not None and not isinstance(content, Mapping):
            raise InvalidAnswer({"": f"it must be an object, got {type(content).__name__}"})
        values: dict[str, Any] = {}
        problems: dict[str, str] = {}
        for name, asked in self.fields.items():
            answer = None if content is None else content.get(name)
            if answer is not None:
                try:
                    values[name] = asked.read(answer)
                except ValueError as error:
                    problems[name] = str(error)
            elif asked.required:
                problems[name] = "is required"
        if problems:
            raise InvalidAnswer(problems)
        return self.finish(values)


@overload
def form(spec: None, *, title: str | None = None) -> Form[None]: ...
@overload
def form(spec: dict[str, Any], *, title: str | None = None) -> Form[dict[str, Any]]: ...
@overload
def form(spec: type[T], *, title: str | None = None) -> Form[T]: ...
@overload
def form(spec: Any, *, title: str | None = None) -> Form[Any]: ...


def form(spec: Any, *, title: str | None = None) -> Form[Any]:
    """Return the form that asks for `spec`.

    A pydantic model, dataclass or TypedDict is a form of its fields: str, int, float, Decimal,
    bool, date, datetime, an Enum, a Literal, a list or set of either, any of them or None. Such a
    type by itself is a form of one field, "value", which `title` names where the type does not;
    None is a form without fields. A dict is a `requestedSchema`, sent and answered as it is.
    Raises UnaskableType for everything else.
    """
    if isinstance(spec, dict):
        return _raw(spec)
    if isinstance(spec, str):
        raise UnaskableType(spec, None, "is a text; pass the type of the answer")
    try:
        hash(spec)
    except TypeError:
        return _typed.__wrapped__(spec, title, "")
    # The same options in another order are an equal Literal, but another form.
    return _typed(spec, title, repr(spec))


# ---------------------------------------------------------------------------------- a raw schema

_KEYWORDS_OF_A_FORM: Final = frozenset(
    ["$schema", "type", "properties", "required", "title", "description", "additionalProperties"]
)


def _raw(spec: dict[str, Any]) -> Form[dict[str, Any]]:
    plain = _plain(spec)
    properties, required = plain.get("properties"), plain.get("required", [])
    if plain.get("type") != "object" or not isinstance(properties, dict):
        raise UnaskableType(spec, None, 'needs "type": "object" and its "properties"')
    for keyword in plain.keys() - _KEYWORDS_OF_A_FORM:
        if not keyword.startswith("x-"):
            raise UnaskableType(spec, None, f"cannot have {keyword}, which a form does not check")
    if not isinstance(required, list) or not all(name in properties for name in required):
        raise UnaskableType(spec, None, f"requires {required!r}; list names of its properties")
    fields: dict[str, Asked] = {}
    for name, node in properties.items():
        with _blaming(spec, name):
            fields[name] = Asked(field=form_fields.parse(node), required=name in required)
    defaults = {n: asked.field.default for n, asked in fields.items() if "default" in properties[n]}

    def finish(values: dict[str, Any]) -> dict[str, Any]:
        filled = {**copy.deepcopy(defaults), **values}
        return {name: filled[name] for name in fields if name in filled}

    return Form(schema=copy.deepcopy(spec), fields=fields, finish=finish)


@contextmanager
def _blaming(spec: object, field: str | None) -> Iterator[None]:
    try:
        yield
    except ValueError as error:
        raise UnaskableType(spec, field, error) from error


def _plain(value: Any) -> Any:
    """`value` as JSON: what is neither text nor number is a text yet to be translated."""
    if isinstance(value, Mapping):
        return {str(key): _plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    return value if value is None or isinstance(value, str | int | float) else str(value)


# ---------------------------------------------------------------------------------- a Python type


@lru_cache(maxsize=512)
def _typed(spec: Any, title: str | None, spelling: str) -> Form[Any]:
    if spec is None or spec is type(None):
        return Form(schema=_schema({}, {}), fields={}, finish=lambda values: None)
    source, schema = _understood(spec, title)
    definitions = schema.get("$defs", {})
    schema = _resolved(schema, definitions)
    if "properties" not in schema:
        raise UnaskableType(spec, None, "has no fields by name; write a model that has")
    properties: dict[str, Any] = {}
    fields: dict[str, Asked] = {}
    blanks: dict[str, None] = {}
    for name, node in schema["properties"].items():
        with _blaming(spec, name):
            found = _property(node, definitions, source.title(name))
            required = name in schema.get("required", ())
            if found.nullable and required:
                # What may be None may be left empty: null is no answer a form can have.
                required, blanks[name] = False, None
            properties[name] = found.schema
            fields[name] = Asked(
                field=form_fields.parse(_plain(found.schema), of_type=True),
                required=required,
                meaning=found.meaning,
            )

    def finish(values: dict[str, Any]) -> Any:
        # The fields have seen to the types of JSON: what is left is to convert them. It is not for
        # a strict model to refuse the string that a date is on the wire.
        try:
            read = source.adapter.validate_python({**blanks, **values}, strict=False, by_alias=True)
        except ValidationError as error:
            raise InvalidAnswer(_problems(error)) from error
        return source.unwrap(read)

    return Form(schema=_schema(properties, fields), fields=fields, finish=finish)


def _understood(spec: Any, title: str | None) -> tuple[_Source, dict[str, Any]]:
    try:
        source = _source(spec, title)
        return source, source.adapter.json_schema(schema_generator=_Generator)
    except (PydanticUserError, SchemaError, NameError, TypeError) as error:
        reason = str(error).partition("\n")[0].rstrip(".")
        raise UnaskableType(spec, None, f"is nothing pydantic can read: {reason}") from error


def _schema(properties: dict[str, Any], fields: Mapping[str, Asked]) -> dict[str, Any]:
    required = [name for name, asked in fields.items() if asked.required]
    schema = {"type": "object", "properties": properties}
    return {**schema, "required": required} if required else schema


def _problems(error: ValidationError) -> dict[str, str]:
    problems: dict[str, str] = {}
    for each in error.errors(include_url=False, include_input=False):
        text = re.sub(r"^(Value error|Assertion failed), ", "", each["msg"]).rstrip(".")
        problems.setdefault(str(each["loc"][0]) if each["loc"] else "", text)
    return problems


# ------------------------------------------------------------------- where the fields come from


@dataclass(frozen=True, slots=True, kw_only=True)
class _Source:
    """What pydantic reads an answer into, and what the caller gets of it."""

    adapter: TypeAdapter[Any]
    unwrap: Callable[[Any], Any] = lambda read: read
    title: Callable[[str], str | None]


class _Absent:
    """The default of a key that a TypedDict need not have."""


def _source(spec: Any, title: str | None) -> _Source:
    origin = get_origin(spec) or spec
    if isinstance(origin, type):
        is_model = issubclass(origin, BaseModel) and not issubclass(origin, RootModel)
        if is_model or is_dataclass(origin):
            return _Source(adapter=TypeAdapter(spec), title=_words)
        if issubclass(origin, dict) and hasattr(origin, "__required_keys__"):
            return _source_of_typed_dict(origin)
    model = create_model("Answer", answer=(spec, Field(alias=VALUE)))
    return _Source(
        adapter=TypeAdapter(model),
        unwrap=lambda read: read.answer,
        title=lambda name: title,
    )


def _source_of_typed_dict(spec: type[dict[str, Any]]) -> _Source:
    """A model with the keys of `spec`: before Python 3.12 pydantic does not take `typing`'s own."""
    aliases: dict[str, str] = {}
    definitions: dict[str, Any] = {}
    for number, (key, hint) in enumerate(get_type_hints(spec, include_extras=True).items()):
        needed = key in spec.__required_keys__  # type: ignore[attr-defined]
        # Where annotations are strings, __required_keys__ has not seen these two.
        if get_origin(hint) in (Required, NotRequired):
            needed = get_origin(hint) is Required
            (hint,) = get_args(hint)
        aliases[f"key_{number}"] = key
        default: Any = Field(alias=key) if needed else Field(default=_Absent, alias=key)
        definitions[f"key_{number}"] = (hint, default)

    def unwrap(read: Any) -> dict[str, Any]:
        pairs = ((key, getattr(read, name)) for name, key in aliases.items())
        return {key: value for key, value in pairs if value is not _Absent}

    adapter = TypeAdapter(create_model("Answer", **definitions))
    return _Source(adapter=adapter, unwrap=unwrap, title=_words)


# ------------------------------------------------------------------------ from pydantic to the wire

#: Keys for what JSON Schema cannot say; none reaches the wire.
_NULLABLE: Final = "django_mcp:nullable"
_DEFAULT: Final = "django_mcp:default"
_VALUES: Final = "django_mcp:values"


class _Generator(GenerateJsonSchema):
    """pydantic's JSON Schema, with options and defaults left as they are in Python."""

    def nullable_schema(self, schema: core_schema.NullableSchema) -> dict[str, Any]:
        return {**self.generate_inner(schema["schema"]), _NULLABLE: True}

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> dict[str, Any]:
        inner = self.generate_inner(schema["schema"])
        default = schema.get("default")
        if default is None or default is _Absent:
            return inner
        return {**inner, _DEFAULT: lambda: default}  # pydantic hashes what stands in a schema

    def literal_schema(self, schema: core_schema.LiteralSchema) -> dict[str, Any]:
        values = [value for value in schema["expected"] if value is not None]
        nullable = {_NULLABLE: True} if len(values) < len(schema["expected"]) else {}
        return {"type": "string", _VALUES: values, **nullable}

    def enum_schema(self, schema: core_schema.EnumSchema) -> dict[str, Any]:
        return {"type": "string", _VALUES: list(schema["cls"])}

    def decimal_schema(self, schema: core_schema.DecimalSchema) -> dict[str, Any]:
        number: dict[str, Any] = super().decimal_schema(schema)["anyOf"][0]
        return number

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False

    def handle_invalid_for_json_schema(self, schema: Any, error_info: str) -> dict[str, Any]:
        return {}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Property:
    schema: dict[str, Any]
    meaning: dict[str, Any] | None
    nullable: bool


def _property(node: dict[str, Any], definitions: Mapping[str, Any], title: str | None) -> _Property:
    """Return what pydantic says of a field in the words a form has; raises ValueError."""
    node = _resolved(node, definitions)
    nullable = node.pop(_NULLABLE, False)
    values = node.pop(_VALUES, None)
    if node.keys() & {"enum", "oneOf"}:
        values = None  # json_schema_extra has options of its own; pydantic reads them
    elif values is not None:
        _drop_annotations_of_the_class(node, values)
        node |= _options(values, "enum" if "enumNames" in node else "oneOf")
    elif isinstance(node.get("items"), dict):
        items = _resolved(node["items"], definitions)
        values = items.get(_VALUES)
        node["items"] = items if values is None else _options(values, "anyOf")
    if title is not None:
        node.setdefault("title", title)
    schema = form_fields.simplified(node)
    if _DEFAULT in node:
        schema.setdefault("default", _default(node[_DEFAULT](), values))
    meaning = None if values is None else {_const(value): value for value in values}
    return _Property(schema=schema, meaning=meaning, nullable=nullable)


def _resolved(node: Mapping[str, Any], definitions: Mapping[str, Any]) -> dict[str, Any]:
    found = dict(node)
    while "$ref" in found:
        target = definitions[found.pop("$ref").removeprefix("#/$defs/")]
        found = {**target, **found}
    return found


def _default(default: Any, values: list[Any] | None) -> Any:
    if isinstance(default, set | frozenset):
        # A set has no order of its own, and a schema must not change from run to run.
        default = [each for each in values or sorted(default) if each in default]
    if values is None:
        return to_jsonable_python(float(default) if isinstance(default, Decimal) else default)
    many = isinstance(default, list | tuple)
    return [_const(each) for each in default] if many else _const(default)


def _options(values: list[Any], keyword: str) -> dict[str, Any]:
    """The options under `keyword`, each with a title; or under enum, where titles say no more."""
    consts = [_const(value) for value in values]
    labels = [_label(value) for value in values]
    folded = [[_words(str(text)).casefold() for text in texts] for texts in (consts, labels)]
    # A label of Django's may be yet to be translated, and say more in another language.
    titled = folded[0] != folded[1] or any(hasattr(value, "label") for value in values)
    if keyword == "enum" or not titled:
        return {"type": "string", "enum": consts}
    options = [
        {"const": const, "title": label} for const, label in zip(consts, labels, strict=True)
    ]
    return {"type": "string", keyword: options} if keyword == "oneOf" else {keyword: options}


def _const(value: Any) -> str:
    """The string that stands for an option on the wire, where options are strings."""
    raw = value.value if isinstance(value, Enum) else value
    if isinstance(raw, str) or type(raw) is int:
        return str(raw)
    if isinstance(value, Enum):
        return value.name
    raise ValueError(f"has the option {value!r}, but options are strings; use an Enum")


def _label(value: Any) -> Any:
    """What a person reads: the label of Django's choices, or the name of an Enum's member."""
    if isinstance(value, Enum):
        return getattr(value, "label", None) or _words(value.name)
    return value


def _words(name: str) -> str:
    """Return `first_name`, `FIRST_NAME` and `firstName` as `First Name`."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|[_\s-]+", " ", name).strip().title()


def _drop_annotations_of_the_class(node: dict[str, Any], values: list[Any]) -> None:
    """Forget the name and docstring of an Enum: pydantic puts them where the field's belong."""
    cls = type(values[0])
    docstring = inspect.cleandoc(cls.__doc__ or "")
    for keyword, text in (("title", cls.__name__), ("description", docstring)):
        if node.get(keyword) == text:
            del node[keyword]
