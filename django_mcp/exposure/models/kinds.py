"""What the field of a model is in JSON: the type that is shown, the type that is taken, and the
lookups it can be filtered by.

A kind knows one field and no caller. Which fields are exposed is `selection`'s business; how a
field becomes part of a query, `scope`'s.
"""

from __future__ import annotations

import datetime
import enum
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Annotated, Any, Final, Literal, get_args, get_origin

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import models
from django.forms.utils import from_current_timezone
from django.utils import timezone
from django.utils.choices import CallableChoiceIterator
from pydantic import AfterValidator, PlainSerializer, TypeAdapter, WithJsonSchema
from typing_extensions import TypedDict

from .annotations import list_of

#: Lookups by the kind of a value. Words are Django's.
TEXT: Final = ("exact", "iexact", "contains", "icontains", "startswith", "istartswith", "in")
NUMBER: Final = ("exact", "gt", "gte", "lt", "lte", "range", "in")
DATE: Final = (*NUMBER, "year", "month", "day")
DATETIME: Final = (*DATE, "date")
EXACT: Final = ("exact", "in")
#: What a filter offers where the author names a field and no lookups.
USUAL: Final = {
    TEXT: ("exact", "icontains"),
    NUMBER: ("exact", "gte", "lte"),
    DATE: ("exact", "gte", "lte"),
    DATETIME: ("gte", "lte"),
    EXACT: ("exact", "in"),
}

#: Lookups whose argument is not one value of the field: what it is instead.
PARTS: Final = {"year": int, "month": int, "day": int, "date": datetime.date, "isnull": bool}


class FileLink(TypedDict):
    """A file of an object: its name in the storage, and where it can be fetched."""

    name: str
    url: str | None


def _plain(value: Decimal) -> str:
    return format(value, "f")


def _iso(value: datetime.timedelta) -> str:
    sign, value = ("-", -value) if value < datetime.timedelta() else ("", value)
    fraction = f".{value.microseconds:06}" if value.microseconds else ""
    return f"{sign}P{value.days}DT{value.seconds}{fraction}S"


#: Written with every digit, and never as a float, which would lose some.
ExactDecimal = Annotated[
    Decimal,
    PlainSerializer(_plain, return_type=str),
    WithJsonSchema({"type": "string", "format": "decimal"}, mode="serialization"),
]
ExactDuration = Annotated[
    datetime.timedelta,
    PlainSerializer(_iso, return_type=str),
    WithJsonSchema({"type": "string", "format": "duration"}, mode="serialization"),
]


def _placed(value: datetime.datetime) -> datetime.datetime:
    """A time as the database takes it; without a zone it is meant in that of the project."""
    try:
        if not settings.USE_TZ:
            return timezone.make_naive(value) if timezone.is_aware(value) else value
        placed: datetime.datetime = from_current_timezone(value)
        return placed.astimezone(datetime.UTC)
    except ValidationError as error:
        raise ValueError(" ".join(error.messages)) from None
    except OverflowError:
        raise ValueError("is too early or too late") from None


#: A moment without a time zone is in the current one.
Moment = Annotated[datetime.datetime, AfterValidator(_placed)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """What values of a field are: `shown` in a result, `taken` as an argument, `stored` in Python.

    All are annotations for pydantic. `lookups` are those that may be allowed, `usual` those that
    are where nobody says which. A kind that is not `comparable` can be neither ordered, filtered
    nor grouped by. `plain` makes values of `stored` of those that a field of the project's own has
    in Python, which may be of any class; it is None for Django's fields, whose values are such.
    """

    shown: Any
    taken: Any
    stored: Any = None
    lookups: tuple[str, ...] = ()
    usual: tuple[str, ...] = ()
    numeric: bool = False
    dated: bool = False
    plain: Callable[[Any], Any] | None = None

    def plainly(self, value: Any) -> Any:
        """A value as it comes from Python, made plain."""
        return value if self.plain is None else self.plain(value)

    @property
    def comparable(self) -> bool:
        return bool(self.lookups)

    def argument(self, lookup: str) -> Any:
        """The annotation of what `lookup` compares with."""
        if lookup in PARTS:
            return PARTS[lookup]
        if lookup == "in":
            return list_of(self.taken, 1, 100)
        if lookup == "range":
            return list_of(self.taken, 2, 2)
        return self.taken


#: Django's classes, the most special first, and what their values are. PositiveIntegerField and
#: its like say their own bounds.
_BASES: Final[Mapping[type[models.Field[Any, Any]], tuple[Any, Any, tuple[str, ...]]]] = {
    models.BooleanField: (bool, bool, EXACT),
    models.DateTimeField: (datetime.datetime, Moment, DATETIME),
    models.DateField: (datetime.date, datetime.date, DATE),
    models.TimeField: (datetime.time, datetime.time, NUMBER),
    models.DurationField: (ExactDuration, datetime.timedelta, NUMBER),
    models.DecimalField: (ExactDecimal, Decimal, NUMBER),
    models.FloatField: (float, float, NUMBER),
    models.IntegerField: (int, int, NUMBER),
    models.UUIDField: (uuid.UUID, uuid.UUID, EXACT),
    models.GenericIPAddressField: (str, str, EXACT),
    models.JSONField: (Any, Any, ()),
    models.FileField: (FileLink | None, None, ()),
    models.CharField: (str, str, TEXT),
    models.FilePathField: (str, str, TEXT),
    models.TextField: (str, str, TEXT),
}


def kind_of(field: models.Field[Any, Any]) -> Kind | None:
    """The kind of a field that is no relation; None for one that has no JSON."""
    if isinstance(field, models.GeneratedField):
        return kind_of(field.output_field)  # type: ignore[arg-type]
    array = _array_of(field)
    if array is not None:
        return array
    found = next((row for base, row in _BASES.items() if isinstance(field, base)), None)
    if found is None:
        return None
    shown, taken, lookups = found
    choices = getattr(field, "choices", None)
    # Those that a function makes may be others each time, and may ask the database.
    if choices and lookups and not isinstance(choices, CallableChoiceIterator):
        return _choice(field, shown, taken)
    usual = USUAL.get(lookups, ())
    if lookups and field.null:
        lookups, usual = (*lookups, "isnull"), (*usual, "isnull")
    return Kind(
        shown=shown | None if field.null else shown,
        taken=taken,
        stored=taken,
        plain=_plain_of(field, shown),
        lookups=lookups,
        usual=usual,
        numeric=isinstance(field, models.IntegerField | models.DecimalField | models.FloatField),
        dated=isinstance(field, models.DateField),
    )


def _choice(field: models.Field[Any, Any], python: Any, taken: Any) -> Kind:
    """Values with titles. A value from before the choices changed is shown all the same."""
    plain = _plain_of(field, python)
    written = TypeAdapter(python)
    pairs = [
        (_value_of(value if plain is None else plain(value)), str(label))
        for value, label in field.flatchoices
        if value is not None
    ]
    titled = [
        {"const": written.dump_python(value, mode="json", warnings=False), "title": label}
        for value, label in pairs
    ]
    one_of = WithJsonSchema({"oneOf": titled})
    lax = WithJsonSchema({"anyOf": [{"oneOf": titled}, {"type": _json_type(taken)}]})
    shown: Any = Annotated[python, lax]
    if field.null:
        shown = shown | None
    # What JSON writes as something else is read as what it is, and checked when it is saved.
    literal = all(isinstance(value, str | int) for value, _ in pairs)
    chosen: Any = Literal[tuple(value for value, _ in pairs)] if literal else taken
    nullable = ("isnull",) if field.null else ()
    lookups = (*EXACT, *nullable)
    return Kind(
        shown=shown,
        taken=Annotated[chosen, one_of],
        stored=taken,
        plain=plain,
        lookups=lookups,
        usual=lookups,
    )


def _value_of(value: Any) -> Any:
    return value.value if isinstance(value, enum.Enum) else value


def _plain_of(field: models.Field[Any, Any], shown: Any) -> Callable[[Any], Any] | None:
    """See `Kind.plain`: a value of another class is what the field gives the database for it."""
    python = get_args(shown)[0] if get_origin(shown) is Annotated else shown
    if type(field).__module__.startswith("django.") or not isinstance(python, type):
        return None

    def plain(value: Any) -> Any:
        if value is None or isinstance(value, python):
            return value
        prepared = field.get_prep_value(value)
        return str(prepared) if python is str and prepared is not None else prepared

    return plain


def _json_type(taken: Any) -> str:
    return {bool: "boolean", int: "integer", float: "number"}.get(taken, "string")


def _array_of(field: models.Field[Any, Any]) -> Kind | None:
    """The kind of PostgreSQL's ArrayField, recognised without importing it."""
    base = getattr(field, "base_field", None)
    if base is None or field.get_internal_type() != "ArrayField":
        return None
    inner = kind_of(base)
    if inner is None:
        return None
    shown, taken = list_of(inner.shown), list_of(inner.taken)
    return Kind(shown=shown | None if field.null else shown, taken=taken, stored=taken)
