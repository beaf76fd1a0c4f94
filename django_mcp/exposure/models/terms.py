"""What sums and queries are made of: fields, periods of dates, and measures, each by a name.

"state" is a field, "month(published)" the month a date is in, "sum(price)" a measure. "count(*)"
counts objects, "count(tags)" the tags of each. A name is looked up, never executed: `Term` is what
it says, `Column` what that is in one query. Which fields there are is `selection`'s business, how
they are reached `scope`'s.
"""

from __future__ import annotations

import datetime
import math
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from decimal import Context, Decimal
from functools import cached_property
from typing import Any, Final

from django.db import models
from django.db.models import Avg, Count, Max, Min, Sum
from django.db.models.functions import Trunc
from pydantic import TypeAdapter

from .kinds import DATE, NUMBER, ExactDecimal, ExactDuration, Kind
from .scope import Scope
from .selection import Exposed, reference_to

COUNT: Final = "count(*)"
FUNCTIONS: Final = ("count", "count_distinct", "sum", "avg", "min", "max")
DATE_PERIODS: Final = ("year", "quarter", "month", "week", "day")
PERIODS: Final = (*DATE_PERIODS, "hour")

#: The longest name that is looked at.
LONGEST: Final = 200

#: Letters that a value has at most which is held in memory without a thought.
SHORT: Final = 500
_SHORT: Final = (
    models.BooleanField,
    models.DateField,
    models.TimeField,
    models.DurationField,
    models.DecimalField,
    models.FloatField,
    models.IntegerField,
    models.UUIDField,
    models.GenericIPAddressField,
)

_TERM: Final = re.compile(r"(?:([a-z_]+)\()?(\*|\w+(?:\.\w+)*)(\))?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Term:
    """A name, taken apart: `field` is dotted where it is reached through relations."""

    text: str
    field: str
    function: str = ""

    @property
    def is_measure(self) -> bool:
        """True for what sums up several objects; "count(tags)" is of each one object."""
        return self.text == COUNT or self.function in FUNCTIONS[1:]


def term_of(text: str) -> Term | None:
    """What `text` says; None where that is nothing."""
    found = _TERM.fullmatch(text) if len(text) <= LONGEST else None
    if found is None:
        return None
    function, field, closed = found.groups()
    if (function is None) is not (closed is None) or (field == "*" and text != COUNT):
        return None
    if function and function not in (*FUNCTIONS, *PERIODS):
        return None
    return Term(text=text, field=field, function=function or "")


# ---------------------------------------------------------------------------- what fits which field


def functions_of(member: Exposed) -> tuple[str, ...]:
    """The measures of a member that has one value."""
    if not member.sortable:
        return ()
    if member.is_relation:
        return ("count_distinct",)
    lookups = member.kind.lookups
    ordered = ("min", "max") if "gt" in lookups or "contains" in lookups else ()
    summed = ("sum", "avg") if _is_summed(member) else ()
    return ("count_distinct", *summed, *ordered)


def periods_of(member: Exposed) -> tuple[str, ...]:
    """The periods by which a member can be grouped."""
    if not member.sortable or not member.kind.dated:
        return ()
    return PERIODS if isinstance(member.stored_as, models.DateTimeField) else DATE_PERIODS


def kind_of_term(term: Term, member: Exposed | None) -> Kind:
    """What a term is in JSON, which has to fit its member; that of "count(*)" is None."""
    if member is None or term.function in ("count", "count_distinct"):
        return Kind(shown=int, taken=int, lookups=NUMBER)
    kind = member.kind
    if not term.function:
        if member.many:
            one = reference_to(member.related, member.related._meta.pk.name)
            return replace(kind, shown=one | None)
        return kind
    if term.function in PERIODS:
        with_time = isinstance(member.stored_as, models.DateTimeField)
        taken: Any = datetime.datetime if with_time else datetime.date
        return Kind(shown=taken | None, taken=taken, lookups=DATE)
    if term.function in ("min", "max"):
        return Kind(shown=kind.taken | None, taken=kind.taken, plain=kind.plain, lookups=NUMBER)
    field, taken = member.stored_as, float
    if isinstance(field, models.DurationField):
        taken = ExactDuration
    elif isinstance(field, models.DecimalField):
        taken = ExactDecimal
    elif isinstance(field, models.IntegerField) and term.function == "sum":
        taken = int
    return Kind(shown=taken | None, taken=taken, lookups=(*NUMBER, "isnull"))


def _is_summed(member: Exposed) -> bool:
    field = member.stored_as
    number = member.kind.numeric or isinstance(field, models.DurationField)
    return number and "gt" in member.kind.lookups and not member.field.primary_key


# ------------------------------------------------------------------------------------- in one query

_AGGREGATES: Final[dict[str, Callable[[Any], Any]]] = {
    "count_distinct": lambda expression: Count(expression, distinct=True),
    "sum": Sum,
    "avg": Avg,
    "min": Min,
    "max": Max,
}


@dataclass(frozen=True, kw_only=True)
class Column:
    """A term in one query: what it is made of there, and what its values are.

    A relation has the `scope` from which its member is reached, for the names of what it leads to.
    """

    term: Term
    kind: Kind
    expression: Any
    member: Exposed | None = None
    scope: Scope | None = None

    @cached_property
    def _adapter(self) -> TypeAdapter[Any]:
        return TypeAdapter(self.kind.shown)

    @property
    def leads(self) -> bool:
        """True where values are keys of other objects."""
        return self.member is not None and self.member.is_relation and not self.term.function

    @property
    def is_short(self) -> bool:
        """True where no value has more than `SHORT` letters, whatever the database holds."""
        if self.member is None or self.term.function not in ("", "min", "max"):
            return True
        field = self.member.stored_as
        if isinstance(field, models.ForeignKey):
            field = field.target_field
        return isinstance(field, _SHORT) or 0 < (getattr(field, "max_length", None) or 0) <= SHORT

    def labels(self, keys: set[Any]) -> dict[Any, Any]:
        """How the objects with these keys are shown, those the caller may see."""
        if self.member is None or self.scope is None:
            return {}
        own = "pk"
        if not (self.member.many or self.member.field.auto_created):
            own = self.member.field.target_field.attname
        found = self.scope.related(self.member, keys)
        return {
            getattr(obj, own): {"id": self.kind.plainly(getattr(obj, own)), "label": str(obj)}
            for obj in found
            if self.scope.may_view(obj)
        }

    def json(self, value: Any) -> Any:
        """A value as JSON; null for what JSON has no way to write."""
        value = self.kind.plainly(value)
        if isinstance(value, float) and not math.isfinite(value):
            return None
        if isinstance(value, Decimal):
            if not value.is_finite():
                return None
            value = self._to_scale(value)
        return self._adapter.dump_python(value, mode="json", warnings=False)

    def _to_scale(self, value: Decimal) -> Decimal:
        """A decimal with the places of its field; without the noughts at the end, an average."""
        places = None if self.member is None else self.member.stored_as.decimal_places
        if places is None or self.term.function == "avg":
            digits = format(value, "f")
            return Decimal(digits.rstrip("0").rstrip(".") if "." in digits else digits)
        return value.quantize(Decimal(1).scaleb(-places), context=Context(prec=1_000))


def column_of(term: Term, member: Exposed | None, scope: Scope, made: Any = None) -> Column:
    """A term that fits its member, in the queries of `scope`.

    `made` is what the member is made of where it is no single value, and was joined for this.
    """
    if member is None:
        return Column(term=term, kind=kind_of_term(term, None), expression=Count("*"))
    if term.function == "count":
        made = scope.count(member)
    expression = scope.expression(member) if made is None else made
    if term.function in PERIODS:
        expression = Trunc(expression, kind=term.function)
    elif term.is_measure:
        expression = _AGGREGATES[term.function](expression)
    kind = kind_of_term(term, member)
    return Column(term=term, kind=kind, expression=expression, member=member, scope=scope)
