"""The days of the table of calls: what Django's hierarchy of dates offers, without its queries.

Django asks which days there are rows of, which looks at every row. Here every day between the first
row and the last is offered; an index knows those two. What a choice means is the admin's own
`date_hierarchy`.
"""

from __future__ import annotations

import calendar
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final

from django.http import HttpRequest
from django.utils import timezone
from django.utils.dateformat import format as written
from django.utils.translation import gettext, pgettext

from ..models import Call

_FIELDS: Final = ("called__year", "called__month", "called__day")
#: Months that are offered at once.
MOST_MONTHS: Final = 36


@dataclass(frozen=True, kw_only=True)
class Choice:
    """A day, a month, or the way back."""

    title: str
    query: str
    is_back: bool = False


def of(request: HttpRequest) -> Sequence[Choice]:
    """What can be chosen beside what is chosen, with all other filters kept."""
    ends = [_day(row.called) for row in _first_and_last()]
    if not ends:
        return []
    first, last = min(ends), max(ends)
    year, month, day = (_number(request, name) for name in _FIELDS)
    if year and month and day:
        return [_back(request, year, month), Choice(title=_named(year, month, day), query="")]
    if year and month:
        return [_back(request), *_days(request, year, month, first, last)]
    if (first.year, first.month) == (last.year, last.month):
        return _days(request, last.year, last.month, first, last)
    return _months(request, first, last)


def _first_and_last() -> list[Call]:
    rows = Call.objects.only("called")
    return [*rows.order_by("called")[:1], *rows.order_by("-called")[:1]]


def _day(moment: datetime) -> date:
    return (timezone.localtime(moment) if timezone.is_aware(moment) else moment).date()


def _number(request: HttpRequest, name: str) -> int | None:
    said = request.GET.get(name, "")
    return int(said) if said.isdecimal() and len(said) <= 4 and int(said) > 0 else None


def _query(request: HttpRequest, *chosen: int) -> str:
    query = request.GET.copy()
    for name in (*_FIELDS, "p"):
        query.pop(name, None)
    for name, number in zip(_FIELDS, chosen, strict=False):
        query[name] = str(number)
    return query.urlencode()


def _back(request: HttpRequest, *chosen: int) -> Choice:
    title = _named(*chosen) if chosen else gettext("All dates")
    return Choice(title=title, query=_query(request, *chosen), is_back=True)


def _named(year: int, month: int, day: int | None = None) -> str:
    try:
        moment = date(year, month, day or 1)
    except ValueError:  # Somebody has written it into the URL.
        return "-".join(str(part) for part in (year, month, day) if part is not None)
    if day is None:
        # Translators: as Django's filter "date" has it: F is a month, j a day, Y a year.
        return written(moment, pgettext("a format of Django's for dates", "F Y"))
    return written(moment, pgettext("a format of Django's for dates", "j F Y"))


def _months(request: HttpRequest, first: date, last: date) -> list[Choice]:
    months = range(first.year * 12 + first.month - 1, last.year * 12 + last.month)
    return [
        Choice(
            title=_named(number // 12, number % 12 + 1),
            query=_query(request, number // 12, number % 12 + 1),
        )
        for number in months[-MOST_MONTHS:]
    ]


def _days(request: HttpRequest, year: int, month: int, first: date, last: date) -> list[Choice]:
    if not 1 <= month <= 12:
        return []
    days = range(1, calendar.monthrange(year, month)[1] + 1)
    return [
        Choice(
            title=written(day, pgettext("a format of Django's for dates", "j F")),
            query=_query(request, year, month, day.day),
        )
        for day in (date(year, month, number) for number in days)
        if first <= day <= last
    ]
