"""What of a model can be written, and the types its values are taken as.

An `Input` is an argument of the tools that create and update. What is taken is what Django's
validation would take, as far as a schema can say it; the rest is said by the validation itself, in
`validation`. How keys become the objects that relations lead to is `references`' business.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Annotated, Any, Final, Literal, NotRequired

from django.contrib.auth.base_user import AbstractBaseUser
from django.core.validators import MaxValueValidator, MinLengthValidator, MinValueValidator
from django.db import models
from django.utils.duration import duration_microseconds
from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema

from ...server.errors import RegistrationError
from .annotations import list_of
from .functions import Argument
from .kinds import Moment, kind_of
from .rows import MANY
from .selection import SEPARATOR, Exposed, Selection

#: Digits a number in JSON keeps on its way, whoever reads it.
EXACT_DIGITS: Final = 15
#: Letters of the longest decimal that is read.
LONGEST_DECIMAL: Final = 400
_DECIMAL: Final = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]{1,9})?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Input:
    """A field that can be written. `annotation` is the type of its values; it is `required` to
    create an object, and no longer `changeable` once there is one."""

    member: Exposed
    annotation: Any
    required: bool
    changeable: bool

    @property
    def name(self) -> str:
        return self.member.name

    @property
    def field(self) -> Any:
        return self.member.field

    def argument(self, *, creates: bool) -> Argument:
        """The argument of a tool that `creates` an object, or changes one.

        What is not required is not filled in either, so that leaving it out is not the same as
        null; a default is only told.
        """
        annotation: Any = self.annotation
        if creates and self.required:
            return Argument(annotation=annotation, description=self._description)
        default = self.field.default
        if creates and isinstance(default, str | int | float):
            told = {"default": getattr(default, "value", default)}
            annotation = Annotated[annotation, Field(json_schema_extra=told)]
        annotation = NotRequired[annotation]
        return Argument(annotation=annotation, description=self._description)

    @property
    def _description(self) -> str:
        member = self.member
        words = [member.description or _titled(member)]
        if member.is_relation:
            meta, many = member.related._meta, member.many
            what = f"{'ids of all its' if many else 'id of a'} "
            what += str(meta.verbose_name_plural if many else meta.verbose_name)
            if takes_natural_keys(member.related):
                what += ", each as it is or as a list" if many else ", or what tells it, as a list"
            words.append(what)
        return "; ".join(filter(None, words))


def inputs_of(selection: Selection, wanted: Sequence[str] | None) -> dict[str, Input]:
    """What can be written, by name: the `wanted` names, or all exposed fields that are editable.

    Raises RegistrationError for a name that is not exposed, or cannot be written.
    """
    label = selection.model._meta.label
    found: dict[str, Input] = {}
    for name in selection if wanted is None else wanted:
        member = selection.get(name)
        if member is None:
            raise RegistrationError(
                f"{label}: write_fields names {name!r}, which is not exposed: add it to fields."
            )
        refusal = _refusal(member)
        if refusal is None and wanted is None and _is_key(selection, member):
            refusal = None if not has_default(member.field) else "makes its own keys"
        if refusal is None:
            found[name] = _input(selection, member)
        elif wanted is not None:
            raise RegistrationError(f"{label}: {name!r} cannot be written: it {refusal}.")
    return found


def takes_natural_keys(model: type[models.Model]) -> bool:
    """True where an object can be told by a list of values. Users cannot: what tells them is what
    they log in with."""
    known = hasattr(model._default_manager, "get_by_natural_key")
    return known and not issubclass(model, AbstractBaseUser)


def has_default(field: Any) -> bool:
    """True where a new object has a value of the field that nobody gave."""
    return bool(field.has_default() or field.db_default is not models.NOT_PROVIDED)


def asked_by(model: type[models.Model]) -> list[str]:
    """The fields without which no object of `model` is valid."""
    return [
        field.name
        for field in model._meta.concrete_fields
        if not (field.blank or field.generated or has_default(field) or _is_link(field))
    ]


# ------------------------------------------------------------------------------- what is written


def _is_link(field: Any) -> bool:
    """True for what joins the tables of one object."""
    return bool(field.is_relation and field.remote_field.parent_link)


def _refusal(member: Exposed) -> str | None:
    """Why a member cannot be written; None where it can."""
    field = member.field
    if member.compute is not None:
        return "is computed"
    if SEPARATOR in member.name:
        return "belongs to another object"
    if member.is_relation and (field.auto_created or field.one_to_many):
        return "is the other side of a relation, which is written from there"
    if isinstance(field, models.FileField):
        return "is a file, which takes a tool of your own"
    if isinstance(field, models.FilePathField):
        # Only the field of a form looks whether the path is one of those it offers.
        return "is a path of the server's, which nothing checks before it is saved"
    if not field.editable or isinstance(field, models.AutoField | models.GeneratedField):
        return "is not editable"
    if member.many:
        through = field.remote_field.through
        if asked := [] if through._meta.auto_created else _asked_of(through, field):
            return f"goes through {through._meta.label}, which asks for {', '.join(asked)}"
    return None


def _asked_of(through: type[models.Model], relation: Any) -> list[str]:
    """What the row between two objects has to have besides them."""
    ends = {relation.m2m_field_name(), relation.m2m_reverse_field_name()}
    return [
        field.name
        for field in through._meta.concrete_fields
        if field.name not in ends
        and not (field.primary_key or field.null or has_default(field))
        and not (field.blank and field.empty_strings_allowed)
    ]


def _is_key(selection: Selection, member: Exposed) -> bool:
    return member is selection.lookup or bool(member.field.primary_key)


def _input(selection: Selection, member: Exposed) -> Input:
    field = member.field
    if member.many:
        annotation = list_of(_reference(member), None if field.blank else 1, MANY)
        required = not field.blank
    else:
        annotation = _reference(member) if member.is_relation else _column(field)
        required = not (field.blank or has_default(field))
        if field.null and field.blank and not isinstance(field, models.JSONField):
            annotation = annotation | None
    return Input(
        member=member,
        annotation=annotation,
        required=required,
        changeable=not _is_key(selection, member),
    )


def _titled(member: Exposed) -> str:
    return "" if member.title == member.name.replace("_", " ") else member.title


# ------------------------------------------------------------------------------------- the types


def _reference(member: Exposed) -> Any:
    """The key of an object, or the list of values that is its natural key."""
    key = member.kind.taken
    if not takes_natural_keys(member.related):
        return key
    return key | list_of(str | int | float | bool | None, 1, 10)


def _column(field: Any) -> Any:
    """The type of the values of a field that is no relation, and never null."""
    base = getattr(field, "base_field", None)
    if base is not None:
        item = _column(base)
        item = item | None if base.null else item
        return list_of(item, None if field.blank else 1, field.size)
    kind = kind_of(field)
    taken: Any = None if kind is None else kind.taken
    if field.choices:
        return taken | _NOTHING if field.blank and field.empty_strings_allowed else taken
    for base_class, made in _MADE.items():
        if isinstance(field, base_class):
            return made(field)
    return taken


def _text(field: Any) -> Any:
    shortest = [v.limit_value for v in field.validators if type(v) is MinLengthValidator]
    limits = [limit for limit in shortest if isinstance(limit, int)]
    limits += [] if field.blank else [1]
    more = {models.EmailField: "email", models.URLField: "uri"}.get(type(field))
    return Annotated[
        str,
        Field(
            min_length=max(limits, default=None),
            max_length=field.max_length,
            json_schema_extra={"format": more} if more else None,
        ),
        AfterValidator(_without_nul),
    ]


def _number(taken: Any) -> Any:
    def made(field: Any) -> Any:
        least, most = _bounds(field)
        return Annotated[taken, Field(ge=least, le=most)]

    return made


def _bounds(field: Any) -> tuple[Any, Any]:
    """The least and the greatest number that validators let through."""
    limits: dict[type, list[Any]] = {MinValueValidator: [], MaxValueValidator: []}
    for validator in field.validators:
        limit = getattr(validator, "limit_value", None)
        if type(validator) in limits and isinstance(limit, int | float | Decimal):
            limits[type(validator)].append(limit)
    return max(limits[MinValueValidator], default=None), min(
        limits[MaxValueValidator], default=None
    )


def _decimal(field: Any) -> Any:
    least, most = _bounds(field)
    bounds = {"minimum": least, "maximum": most}
    number = {key: float(value) for key, value in bounds.items() if value is not None}
    whole = "" if field.max_digits is None else str(field.max_digits - (field.decimal_places or 0))
    places = "" if field.decimal_places is None else str(field.decimal_places)
    pattern = rf"^-?\d{{0,{whole}}}(\.\d{{0,{places}}})?$"
    schema = {"anyOf": [{"type": "string", "pattern": pattern}, {"type": "number", **number}]}
    return Annotated[Decimal, BeforeValidator(_exact), WithJsonSchema(schema)]


def _exact(value: Any) -> Any:
    """A decimal, from a text or a number, with no digit lost on the way."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise ValueError("should be a decimal number, as a string or a number")
    if isinstance(value, str):
        if len(value) > LONGEST_DECIMAL:
            raise ValueError("has too many digits")
        # Python reads more: spaces, underscores, the digits of other scripts.
        if _DECIMAL.fullmatch(value) is None:
            raise ValueError("should be a decimal number, such as 12.50")
    found = Decimal(repr(value) if isinstance(value, float) else value)
    if isinstance(value, float) and len(found.as_tuple().digits) > EXACT_DIGITS:
        raise ValueError("has more digits than a number keeps: send it as a string")
    return found


def _datetime(field: Any) -> Any:
    return Moment


def _time(field: Any) -> Any:
    return Annotated[datetime.time, AfterValidator(_zoneless)]


def _zoneless(value: datetime.time) -> datetime.time:
    if value.tzinfo is not None:
        raise ValueError("should have no time zone")
    return value


def _duration(field: Any) -> Any:
    return Annotated[datetime.timedelta, AfterValidator(_storable)]


def _storable(value: datetime.timedelta) -> datetime.timedelta:
    if abs(duration_microseconds(value)) >= 2**63:
        raise ValueError("is too long")
    return value


def _json(field: Any) -> Any:
    checks = [AfterValidator(_without_nul)]
    if not (field.null and field.blank):
        checks.append(AfterValidator(_not_null))
    return Annotated[Any, *checks]


def _not_null(value: Any) -> Any:
    if value is None:
        raise ValueError("should not be null")
    return value


def _without_nul(value: Any) -> Any:
    """What databases store. Not all of them take a NUL in a text."""
    waiting = [value]
    while waiting:
        each = waiting.pop()
        if isinstance(each, str):
            if "\0" in each:
                raise ValueError("should have no null characters")
        elif isinstance(each, dict):
            waiting += [*each, *each.values()]
        elif isinstance(each, list):
            waiting += each
    return value


#: What a text with choices may be where it may be blank.
_NOTHING: Final = Annotated[Literal[""], WithJsonSchema({"const": "", "title": "none of them"})]

#: Django's classes, the most special first, whose values are bound by more than their type.
_MADE: Final[Mapping[type[models.Field[Any, Any]], Any]] = {
    models.DateTimeField: _datetime,
    models.TimeField: _time,
    models.DurationField: _duration,
    models.DecimalField: _decimal,
    models.FloatField: _number(float),
    models.IntegerField: _number(int),
    models.JSONField: _json,
    models.GenericIPAddressField: _text,
    models.CharField: _text,
    models.TextField: _text,
}
