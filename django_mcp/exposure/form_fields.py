"""One field of a Django form: the JSON Schema it is announced with, and JSON read as it wants it.

It is the same for a form that is a tool, a question, or what a view takes.

A schema says what a caller should know beforehand; whether a value is right is the field's to say.
So reading looks at the type alone, where the field would make a text of anything it is given. Which
fields of a form are asked for, and what is done with the values, is `forms`; which schemas a
question may have, `form_questions`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from decimal import Decimal
from enum import Enum
from typing import Any, Final
from uuid import UUID

from django import forms
from django.conf import settings
from django.db import models
from django.utils import timezone
from django.utils.choices import CallableChoiceIterator
from django.utils.dateparse import parse_date, parse_datetime, parse_time
from django.utils.text import capfirst

from ..protocol.problems import shown
from . import uploads

Schema = dict[str, Any]

#: With more choices than this, a schema does not name them.
MOST_CHOICES: Final = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Property:
    """What callers are told of a field, and how a value of theirs becomes one it can clean.

    `read` raises ValueError, whose text says what the value should be. None is not for it: that
    leaves the field empty.
    """

    schema: Schema
    read: Callable[[Any], Any]


def describe(field: forms.Field) -> Property:
    """The property of `field`."""
    for kind, make in _KINDS:
        if isinstance(field, kind):
            made = make(field)
            break
    else:
        made = _text(field)
    schema = {**made.schema, **_words(field)}
    if (default := _default(field)) is not None:
        schema["default"] = default
    return Property(schema=schema, read=made.read)


def options(field: forms.ChoiceField, *, made: bool = False) -> list[tuple[Any, str]] | None:
    """The choices as pairs of a JSON value and a title; None where they are not to be named.

    A choice that stands for none is left out. Choices that a function makes are left alone unless
    `made` is true: it may ask the database.
    """
    choices: Any = field.choices
    if isinstance(choices, CallableChoiceIterator) and not made:
        return None
    found = list(_flat(choices))
    return found if 0 < len(found) <= MOST_CHOICES else None


def choice_schema(found: list[tuple[Any, str]], keyword: str = "oneOf") -> Schema:
    """The choices with their titles under `keyword`, or under enum where titles say no more."""
    kinds = {_JSON_TYPES.get(type(value)) for value, _ in found}
    kind: Schema = {"type": kinds.pop()} if len(kinds) == 1 else {}
    if all(str(value) == title for value, title in found):
        return {**kind, "enum": [value for value, _ in found]}
    titled = [{"const": value, "title": title} for value, title in found]
    return {**({} if keyword == "anyOf" else kind), keyword: titled}


def key_field(field: forms.ModelChoiceField[Any]) -> models.Field[Any, Any] | None:
    """The field of the model whose values are the keys; None where the form finds the model."""
    if field.queryset is None:
        return None
    options_of_model = field.queryset.model._meta
    name = getattr(field, "to_field_name", None)
    found: Any = options_of_model.get_field(name) if name else options_of_model.pk
    while found.remote_field is not None:
        found = found.target_field
    key: models.Field[Any, Any] = found
    return key


def key_type(field: Any) -> str:
    """The JSON type of the values of a model's field that is a key."""
    while field.remote_field is not None:
        field = field.target_field
    return "integer" if isinstance(field, models.IntegerField) else "string"


def or_null(schema: Schema) -> Schema:
    """The schema of a field that may be left empty, and is with null."""
    kinds = schema.get("type")
    if "enum" in schema or "oneOf" in schema or kinds is None:
        words: Schema = {
            key: schema[key] for key in ("title", "description", "default") if key in schema
        }
        rest = {key: value for key, value in schema.items() if key not in words}
        return {**words, "anyOf": [rest, {"type": "null"}]} if rest else schema
    kinds = [kinds] if isinstance(kinds, str) else kinds
    return {**schema, "type": [*kinds, *({"null"} - set(kinds))]}


def preset(field: forms.Field, initial: Any = None) -> Any:
    """What the field has in it before anybody has filled it in; None for nothing, or for what is
    found anew each time. `initial` is the form's, and goes before the field's."""
    found = field.initial if initial is None else initial
    return found if isinstance(found, str | int | float) and found != "" else None


# ------------------------------------------------------------------------------- kinds of fields


def _text(field: forms.Field) -> Property:
    schema: Schema = {"type": "string"}
    # An optional text may be empty, however long one has to be that is not.
    if field.required and isinstance(field, forms.CharField):
        least = max(getattr(field, "min_length", None) or 0, 1)
        schema["minLength"] = least
    if (most := getattr(field, "max_length", None)) is not None:
        schema["maxLength"] = most
    for kind, form in _FORMATS:
        if isinstance(field, kind):
            schema["format"] = form
    return Property(schema=schema, read=_string)


def _number(field: forms.IntegerField) -> Property:
    whole = not isinstance(field, forms.FloatField | forms.DecimalField)
    schema: Schema = {"type": "integer" if whole else "number"}
    if isinstance(field, forms.DecimalField):
        # As a text as well: a number of JSON is a float to most programs.
        schema["type"] = ["number", "string"]
    for keyword, bound in (("minimum", field.min_value), ("maximum", field.max_value)):
        if bound is not None and not callable(bound):
            schema[keyword] = as_json(bound)
    return Property(schema=schema, read=_integer if whole else _any_number)


def _flag(field: forms.BooleanField) -> Property:
    if isinstance(field, forms.NullBooleanField):
        return Property(schema={"type": ["boolean", "null"]}, read=_boolean)
    # A box that has to be ticked.
    schema: Schema = {"type": "boolean", "const": True} if field.required else {"type": "boolean"}
    return Property(schema=schema, read=_boolean)


def _choice(field: forms.ChoiceField) -> Property:
    found = options(field)
    schema: Schema = {"type": "string"} if found is None else choice_schema(found)
    return Property(schema=schema, read=_scalar)


def _choices(field: forms.ChoiceField) -> Property:
    found = options(field)
    items: Schema = {"type": "string"} if found is None else choice_schema(found)
    return _list_of(Property(schema=items, read=_scalar), field)


def _object(field: forms.ModelChoiceField[Any]) -> Property:
    key = key_field(field)
    if isinstance(key, models.IntegerField):
        return Property(schema={"type": "integer"}, read=_scalar)
    if isinstance(key, models.UUIDField):
        return Property(schema={"type": "string", "format": "uuid"}, read=_scalar)
    return Property(schema={"type": "string"} if key is not None else {}, read=_scalar)


def _objects(field: forms.ModelMultipleChoiceField[Any]) -> Property:
    one = _object(field)
    if isinstance(key_field(field), models.IntegerField):
        one = Property(schema=one.schema, read=_one_of_several)
    return _list_of(one, field)


def _list_of(item: Property, field: forms.Field) -> Property:
    schema: Schema = {"type": "array", "items": item.schema, "uniqueItems": True}
    if field.required:
        schema["minItems"] = 1

    def read(value: Any) -> list[Any]:
        if not isinstance(value, list):
            raise ValueError(f"should be an array; got {shown(value)}")
        return [item.read(each) for each in value]

    return Property(schema=schema, read=read)


def _date(field: forms.Field) -> Property:
    return Property(schema={"type": "string", "format": "date"}, read=_parsed(parse_date, "a date"))


def _time(field: forms.Field) -> Property:
    schema = {"type": "string", "format": "time"}
    return Property(schema=schema, read=_parsed(parse_time, "a time of day"))


def _moment(field: forms.Field) -> Property:
    schema = {"type": "string", "format": "date-time"}
    return Property(schema=schema, read=_read_moment)


def _split_moment(field: forms.Field) -> Property:
    schema = {"type": "string", "format": "date-time"}
    return Property(schema=schema, read=read_split_moment)


def _any_json(field: forms.Field) -> Property:
    # The field takes the text of a JSON, and would take a string for one.
    return Property(schema={}, read=json.dumps)


def _file(field: forms.Field) -> Property:
    return Property(schema=uploads.SCHEMA, read=uploads.upload_of)


def _several(field: forms.MultiValueField) -> Property:
    most = len(field.fields)
    schema = {"type": "array", "items": {"type": ["string", "number", "null"]}, "maxItems": most}

    def read(value: Any) -> list[Any]:
        if not isinstance(value, list) or len(value) > most:
            raise ValueError(f"should be an array of at most {most} parts; got {shown(value)}")
        return [_scalar(each) for each in value]

    return Property(schema=schema, read=read)


_KINDS: Final[tuple[tuple[Any, Callable[[Any], Property]], ...]] = (
    (forms.FileField, _file),
    (forms.ModelMultipleChoiceField, _objects),
    (forms.ModelChoiceField, _object),
    (forms.MultipleChoiceField, _choices),
    (forms.ChoiceField, _choice),
    (forms.BooleanField, _flag),
    (forms.IntegerField, _number),
    (forms.SplitDateTimeField, _split_moment),
    (forms.MultiValueField, _several),
    (forms.DateTimeField, _moment),
    (forms.DateField, _date),
    (forms.TimeField, _time),
    (forms.JSONField, _any_json),
)

_FORMATS: Final[tuple[tuple[Any, str], ...]] = (
    (forms.EmailField, "email"),
    (forms.URLField, "uri"),
    (forms.UUIDField, "uuid"),
    (forms.DurationField, "duration"),
)

# -------------------------------------------------------------------------------------- reading


def _string(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError(f"should be a string; got {shown(value)}")
    return value


def _scalar(value: Any) -> Any:
    if isinstance(value, list | dict):
        raise ValueError(f"should be one value; got {shown(value)}")
    return value


def _one_of_several(value: Any) -> Any:
    """A key that is a number, or the text of one. What no column holds is refused here: the field
    asks for all keys at once, which SQLite answers with OverflowError."""
    try:
        number = int(_scalar(value))
    except (ValueError, TypeError):
        return _scalar(value)
    if not -(2**63) <= number < 2**63:
        raise ValueError(f"should be a key; got {shown(value)}")
    return value


# Clients write numbers and flags as texts too, which the fields read as they do those of a page.


def _integer(value: Any) -> Any:
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise ValueError(f"should be an integer; got {shown(value)}")
    return value


def _any_number(value: Any) -> Any:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise ValueError(f"should be a number; got {shown(value)}")
    return value


def _boolean(value: Any) -> bool:
    if isinstance(value, str) and value.lower() in ("true", "false"):
        return value.lower() == "true"
    if not isinstance(value, bool):
        raise ValueError(f"should be true or false; got {shown(value)}")
    return value


def _parsed(parse: Callable[[str], Any], what: str) -> Callable[[Any], Any]:
    """What ISO 8601 says; anything else is left to the formats that the field knows."""

    def read(value: Any) -> Any:
        try:
            return parse(_string(value)) or value
        except ValueError as error:
            if not isinstance(value, str):
                raise
            raise ValueError(f"should be {what}; got {shown(value)}: {error}") from None

    return read


def read_split_moment(value: Any) -> list[Any]:
    """A moment as the two values of a `SplitDateTimeField`."""
    found = _read_moment(value)
    if not isinstance(found, datetime):
        return [found, None]
    if timezone.is_aware(found):
        found = timezone.make_naive(found)
    return [found.date(), found.time()]


def _read_moment(value: Any) -> Any:
    found = _parsed(parse_datetime, "a date and a time")(value)
    if not isinstance(found, datetime) or timezone.is_naive(found):
        return found
    try:
        # Where it is stored, and where it is shown, it may be in another year.
        found.astimezone(UTC)
        own = timezone.make_naive(
            found, None if settings.USE_TZ else timezone.get_default_timezone()
        )
        return found if settings.USE_TZ else own
    except OverflowError:
        raise ValueError(f"is too early or too late: {shown(value)}") from None


# ---------------------------------------------------------------------------------------- words


def _words(field: forms.Field) -> Schema:
    found: Schema = {}
    if field.label:
        found["title"] = str(field.label)
    texts = [str(field.help_text)] if field.help_text else []
    if isinstance(field, forms.ModelChoiceField) and field.queryset is not None:
        texts.append(_named_by(field, field.queryset.model._meta))
    if texts:
        found["description"] = " ".join(texts)
    return found


def _named_by(field: forms.ModelChoiceField[Any], about: Any) -> str:
    """Which key names an object, for who has only seen objects."""
    name = getattr(field, "to_field_name", None)
    key = str(about.get_field(name).verbose_name) if name else "primary key"
    if isinstance(field, forms.ModelMultipleChoiceField):
        return f"{capfirst(str(about.verbose_name_plural))}, each by its {key}."
    return f"The {key} of one of the {about.verbose_name_plural}."


def _default(field: forms.Field) -> Any:
    """What stands in the field before anybody fills it in, where that is known and is JSON."""
    return None if callable(field.initial) else as_json(field.initial)


def as_json(value: Any) -> Any:
    """A value of Python as JSON has it; None for what has no such form."""
    if isinstance(value, Enum):
        value = value.value
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    if isinstance(value, date | time | datetime):
        return value.isoformat()
    if isinstance(value, UUID):
        return str(value)
    if isinstance(value, list | tuple):
        found = [as_json(each) for each in value]
        return None if None in found else found
    return value if isinstance(value, str | int | float | bool) else None


_JSON_TYPES: Final = {str: "string", int: "integer", bool: "boolean", float: "number"}


def _flat(choices: Any) -> Iterator[tuple[Any, str]]:
    """The choices without the groups they stand in."""
    for value, title in choices:
        if isinstance(title, list | tuple):
            yield from _flat(title)
        elif value is not None and value != "":
            plain = value.value if isinstance(value, Enum) else value
            yield (plain if type(plain) in _JSON_TYPES else str(plain)), str(title)
