"""One property of a form: which schemas there are for it, and which answers fit.

Owns the flat properties a `requestedSchema` is made of (2026-07-28, client/elicitation
#requested-schema; schema.ts, PrimitiveSchemaDefinition; SEP-1034 for defaults, SEP-1330 for
choices), one class for each kind. Which Python type becomes which property, and what the whole of a
form is, is `forms`. What is wrong is a ValueError whose text continues "the field …".
"""

from __future__ import annotations

import re
from abc import abstractmethod
from collections.abc import Callable, Mapping
from datetime import date, datetime
from functools import cached_property, lru_cache
from math import isfinite
from typing import Any, ClassVar, Final, Literal, cast

from pydantic import BaseModel, ConfigDict, Field, NonNegativeInt, ValidationError, model_validator
from pydantic_core import SchemaError, SchemaValidator, core_schema

#: No text of a form is longer: what is was not typed by a person.
LONGEST_TEXT: Final = 100_000

# ------------------------------------------------------------------------------------ the formats


_VISIBLE = r"[^\x00-\x20\x7f@.]+"
_EMAIL = rf"[^\x00-\x20\x7f@]{{1,64}}@{_VISIBLE}(\.{_VISIBLE})*"
_URI = r"[A-Za-z][A-Za-z0-9+.-]*:[^\x00-\x20\x7f<>\"{}|\\^`]+"
_DATE = r"\d{4}-\d\d-\d\d"
_SECONDS = r":[0-5]\d(\.\d+)?"
_OFFSET = r"([Zz]|[+-]([01]\d|2[0-3]):[0-5]\d)"


def _moment(seconds: str, offset: str) -> Callable[[str], bool]:
    shape = rf"{_DATE}[Tt ]\d\d:\d\d{seconds}{offset}"
    return lambda text: _is_like(shape, text) and _reads(datetime.fromisoformat, text[:16])


def _is_like(shape: str, text: str) -> bool:
    return re.fullmatch(shape, text, re.ASCII) is not None


def _reads(read: Callable[[str], object], text: str) -> bool:
    try:
        read(text)
    except ValueError:
        return False
    return True


FORMATS: Final[Mapping[str, Callable[[str], bool]]] = {
    "email": lambda text: len(text) <= 320 and _is_like(_EMAIL, text),
    "uri": lambda text: _is_like(_URI, text),
    "date": lambda text: _is_like(_DATE, text) and _reads(date.fromisoformat, text),
    "date-time": _moment(_SECONDS, _OFFSET),
}


# ---------------------------------------------------------------------------------- the properties


class FormField(BaseModel):
    """One property of a form, read from its schema; a keyword it does not have is refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    title: str | None = None
    description: str | None = None
    default: Any = None

    @abstractmethod
    def check(self, value: Any) -> Any:
        """Return `value` as Python has it; raises ValueError with what it must be."""

    def settle(self) -> None:
        """Raise ValueError where keywords that are right by themselves do not go together."""

    @model_validator(mode="after")
    def _is_sound(self) -> FormField:
        self.settle()
        if "default" in self.model_fields_set:
            try:
                self.check(self.default)
            except ValueError as error:
                raise ValueError(f"has a default that {error}") from None
        return self


class Text(FormField):
    formats: ClassVar[Mapping[str, Callable[[str], bool]]] = FORMATS

    type: Literal["string"]
    min_length: NonNegativeInt = Field(0, alias="minLength")
    max_length: NonNegativeInt = Field(LONGEST_TEXT, alias="maxLength")
    # Only 2025-11-25, client/elicitation#requested-schema names it; clients may ignore it.
    pattern: str | None = None
    format: Literal["email", "uri", "date", "date-time"] | None = None

    def check(self, value: Any) -> str:
        _require(isinstance(value, str), "must be a string", value)
        _require_count(self.min_length, len(value), self.max_length, LONGEST_TEXT, "characters")
        # A lone surrogate fits into JSON, and into nothing else.
        _require(_reads(str.encode, value), "must be valid Unicode", value)
        if self.pattern is not None:
            _require(_matcher(self.pattern)(value), f"must match {self.pattern}", value)
        if self.format is not None:
            _require(self.formats[self.format](value), f"must be a valid {self.format}", value)
        return cast(str, value)

    def settle(self) -> None:
        if self.pattern is not None:
            _matcher(self.pattern)


class TypedText(Text):
    """A date-time whose offset may be missing, as in HTML's datetime-local: the type decides."""

    formats = {**FORMATS, "date-time": _moment(f"({_SECONDS})?", f"{_OFFSET}?")}


class Number(FormField):
    type: Literal["number", "integer"]
    minimum: int | float | None = None
    maximum: int | float | None = None

    def check(self, value: Any) -> int | float:
        # JSON has one kind of number, and JavaScript may write 30 as 30.0; but true is not 1.
        number = type(value) is int or (type(value) is float and isfinite(value))
        if self.type == "integer":
            _require(number and value == int(value), "must be a whole number", value)
            value = int(value)
        _require(number, "must be a number", value)
        if self.minimum is not None:
            _require(value >= self.minimum, f"must be at least {self.minimum}", value)
        if self.maximum is not None:
            _require(value <= self.maximum, f"must be at most {self.maximum}", value)
        return cast(float, value)


class Flag(FormField):
    type: Literal["boolean"]

    def check(self, value: Any) -> bool:
        _require(isinstance(value, bool), "must be true or false", value)
        return cast(bool, value)


class _Option(BaseModel):
    model_config = FormField.model_config

    const: str
    title: str


class Choice(FormField):
    """One of the options: untitled, titled (`oneOf`), or titled as before SEP-1330."""

    type: Literal["string"]
    enum: list[str] | None = None
    enum_names: list[str] | None = Field(None, alias="enumNames")
    one_of: list[_Option] | None = Field(None, alias="oneOf")

    @cached_property
    def options(self) -> list[str]:
        return _options(self.enum, self.one_of, "oneOf")

    def check(self, value: Any) -> str:
        _require(value in self.options, f"must be one of {_listed(self.options)}", value)
        return cast(str, value)

    def settle(self) -> None:
        if self.enum_names is not None and len(self.enum_names) != len(self.enum or ()):
            raise ValueError("needs in enumNames one name for each value of its enum")
        self.options  # noqa: B018 - raises where there are none


class _Items(BaseModel):
    model_config = FormField.model_config

    type: Literal["string"] | None = None
    enum: list[str] | None = None
    any_of: list[_Option] | None = Field(None, alias="anyOf")


class Choices(FormField):
    """Any number of the options, each at most once."""

    type: Literal["array"]
    min_items: NonNegativeInt = Field(0, alias="minItems")
    max_items: NonNegativeInt | None = Field(None, alias="maxItems")
    items: _Items

    @cached_property
    def options(self) -> list[str]:
        return _options(self.items.enum, self.items.any_of, "anyOf")

    def check(self, value: Any) -> list[str]:
        _require(isinstance(value, list), "must be a list of choices", value)
        most = len(self.options) if self.max_items is None else self.max_items
        _require_count(self.min_items, len(value), most, len(self.options), "choices")
        for each in value:
            _require(each in self.options, f"must be among {_listed(self.options)}", each)
        _require(len(set(value)) == len(value), "must not have a choice twice", value)
        return list(value)

    def settle(self) -> None:
        self.options  # noqa: B018 - raises where there are none


def _require(fits: bool, wanted: str, value: object) -> None:
    if not fits:
        text = repr(value[:60] if isinstance(value, str | list) else value)
        raise ValueError(f"{wanted}, got {text if len(text) <= 64 else text[:60] + '…'}")


def _require_count(least: int, count: int, most: int, limit: int, what: str) -> None:
    if count < least:
        raise ValueError(f"must have at least {least} {what}, got {count}")
    if count > min(most, limit):
        raise ValueError(f"must have at most {min(most, limit)} {what}, got {count}")


def _listed(options: list[str]) -> str:
    return ", ".join(repr(option[:60]) for option in options[:12]) + ", …" * (len(options) > 12)


def _options(enum: list[str] | None, titled: list[_Option] | None, keyword: str) -> list[str]:
    if (enum is None) == (titled is None):
        raise ValueError(f"needs its options, either as enum or as {keyword}")
    options = enum if enum is not None else [option.const for option in titled or ()]
    if not options or len(set(options)) < len(options):
        raise ValueError("needs at least one option, and none twice")
    return options


@lru_cache(maxsize=256)
def _matcher(pattern: str) -> Callable[[str], bool]:
    """Whether a text has a match of `pattern`; in linear time, where pydantic's engine knows it."""
    try:
        return SchemaValidator(core_schema.str_schema(pattern=pattern)).isinstance_python
    except SchemaError:
        pass
    try:
        compiled = re.compile(pattern)
    except re.error as error:
        raise ValueError(f"has a pattern that is no regular expression: {error}") from None
    return lambda text: compiled.search(text) is not None


# ---------------------------------------------------------------------------- from schema to field

_BOUNDS = (("minimum", "exclusiveMinimum", 1), ("maximum", "exclusiveMaximum", -1))


def parse(schema: object, *, of_type: bool = False) -> FormField:
    """Return the field whose schema this is; `of_type` where a Python type reads its answer.

    Raises ValueError with what is wrong and what to write instead.
    """
    if not isinstance(schema, Mapping):
        raise ValueError(f"has the schema {schema!r}; write an object")
    reason = _misfit(schema)
    if reason is not None:
        raise ValueError(reason)
    own = {key: value for key, value in schema.items() if not key.startswith("x-")}
    try:
        return _kind(schema, of_type).model_validate(own)
    except ValidationError as error:
        raise ValueError("; ".join(_complaints(error, schema))) from None


def simplified(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return `schema` without what a form cannot say; raises ValueError as `parse` does.

    For a schema made of a Python type, which goes on to enforce what is left out here.
    """
    reason = _misfit(schema)
    if reason is not None:
        raise ValueError(reason)
    left = {key: value for key, value in schema.items() if key != "format" or value in FORMATS}
    for bound, exclusive, step in _BOUNDS:
        if exclusive in left:
            whole = left["type"] == "integer" and isinstance(left[exclusive], int)
            left.setdefault(bound, left[exclusive] + step if whole else left[exclusive])
    kept = [keyword for keyword in _keywords(left) if keyword in left]
    return {key: left[key] for key in [*kept, *(key for key in left if key.startswith("x-"))]}


def _keywords(schema: Mapping[str, Any]) -> tuple[str, ...]:
    """The keywords a schema of this kind may have, in the order they read well in."""
    names = [field.alias or name for name, field in _kind(schema).model_fields.items()]
    first = ("type", "title", "description")
    return (*first, *(name for name in names if name not in (*first, "default")), "default")


def _kind(schema: Mapping[str, Any], of_type: bool = False) -> type[FormField]:
    match schema:
        case {"type": "array"}:
            return Choices
        case {"enum": _} | {"oneOf": _}:
            return Choice
        case {"type": "number" | "integer"}:
            return Number
        case {"type": "boolean"}:
            return Flag
    return TypedText if of_type else Text


def _misfit(schema: Mapping[str, Any]) -> str | None:
    """Why no field can be made of `schema`, with the remedy; None where one may be tried."""
    match schema:
        case {"type": "object"} | {"properties": _}:
            return "is an object, but a form is flat; give the form its fields, or ask twice"
        case {"format": "password"} | {"writeOnly": True}:
            # 2026-07-28, client/elicitation#form-mode-security
            return "is a secret, which a form must not ask for; send the user to a page (URL mode)"
        case {"type": "array", "items": {"enum": _} | {"anyOf": _}}:
            return None
        case {"type": "array"}:
            return "is a list of anything; list options (list[Literal[...]] or a list of an Enum)"
        case {"type": "null"}:
            return "can only be null; leave it out, or give it a type"
        case {"type": list()} | {"anyOf": _} | {"allOf": _} | {"$ref": _}:
            return "may have several types; give it one, not required where it may be left out"
        case {"type": "string" | "number" | "integer" | "boolean"}:
            return None
    got = f"the type {schema['type']!r}" if "type" in schema else "no type"
    return f"has {got}; a form asks for a string, number, integer, boolean or array of options"


def _complaints(error: ValidationError, schema: Mapping[str, Any]) -> list[str]:
    texts = []
    for each in error.errors(include_url=False, include_input=False):
        keyword = ".".join(map(str, each["loc"]))
        if each["type"] == "extra_forbidden" and len(each["loc"]) == 1:
            texts.append(f"cannot have {keyword}, only {', '.join(_keywords(schema))}")
        elif "error" in each.get("ctx", {}):
            texts.append(str(each["ctx"]["error"]))
        else:
            texts.append(f"has a wrong {keyword}: {each['msg']}")
    return texts
