"""Filters as arguments of a tool: one for each exposed field and lookup that is allowed.

An argument is called as Django calls it, "published__gte", and "published" for an exact match.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from django.db.models import Q

from ...server.errors import RegistrationError
from .scope import Scope
from .selection import Exposed, Selection

#: Names that arguments of the same tools have already.
TAKEN: Final = frozenset({"search", "order_by", "cursor", "limit", "group_by", "measures"})

_WORDS: Final = {
    "exact": "is this",
    "iexact": "is this, in upper or lower case",
    "contains": "contains this",
    "icontains": "contains this, in upper or lower case",
    "startswith": "begins with this",
    "istartswith": "begins with this, in upper or lower case",
    "gt": "is above this",
    "gte": "is this or above",
    "lt": "is below this",
    "lte": "is this or below",
    "range": "is between these two, or one of them",
    "in": "is one of these",
    "isnull": "is empty (true) or is not (false)",
    "year": "is in this year",
    "month": "is in this month, 1 to 12",
    "day": "is on this day of the month",
    "date": "is on this day",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """An argument that leaves the objects whose `member` compares with its value."""

    argument: str
    member: Exposed
    lookup: str

    @property
    def annotation(self) -> Any:
        return self.member.kind.argument(self.lookup)

    @property
    def description(self) -> str:
        words = _WORDS[self.lookup]
        if self.member.many and self.lookup != "isnull":
            words = f"has one that {words}"
        return f"{self.member.title or self.member.name} {words}"


def filters_of(
    selection: Selection, wanted: Sequence[str] | Mapping[str, Sequence[str]] | None
) -> dict[str, Filter]:
    """The filters by the names of their arguments.

    `wanted` maps names of exposed fields to lookups; a list of names allows the usual ones of
    each, None those of every exposed field that is no text. Raises RegistrationError for a field
    that is not exposed, or cannot be compared, and for a lookup it does not have.
    """
    label = selection.model._meta.label
    found: dict[str, Filter] = {}
    for name, lookups in _wanted(selection, wanted):
        member = selection.get(name)
        if member is None:
            raise RegistrationError(
                f"{label}: filter_fields names {name!r}, which is not exposed: add it to fields."
            )
        if not member.comparable:
            raise RegistrationError(f"{label}: {name!r} cannot be filtered by.")
        for lookup in member.kind.usual if lookups is None else lookups:
            if lookup not in member.kind.lookups:
                raise RegistrationError(
                    f"{label}: {name!r} cannot be filtered with {lookup!r}; there are "
                    f"{', '.join(member.kind.lookups)}."
                )
            short = lookup == "exact" and name not in TAKEN
            argument = name if short else f"{name}__{lookup}"
            found[argument] = Filter(argument=argument, member=member, lookup=lookup)
    return found


def condition(filters: Mapping[str, Filter], given: Mapping[str, Any], scope: Scope) -> Q:
    """What the given arguments ask for, all of it."""
    every = Q()
    for argument, value in given.items():
        if value is not None:
            asked = filters[argument]
            every &= scope.condition(asked.member, asked.lookup, value)
    return every


def _wanted(
    selection: Selection, wanted: Sequence[str] | Mapping[str, Sequence[str]] | None
) -> Iterable[tuple[str, Sequence[str] | None]]:
    if wanted is None:
        usual = [m for m in selection.members if m.comparable and "contains" not in m.kind.lookups]
        return [(member.name, None) for member in usual]
    if isinstance(wanted, Mapping):
        return list(wanted.items())
    return [(name, None) for name in wanted]
