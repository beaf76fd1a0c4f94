"""Numbers of calls in a period: over time, and by tool, client and user.

Owns what is counted, and the shape of the chart. Whatever database there is counts; what comes back
is bounded by the number of bars, of rows in a table and of steps of a duration
(`backends.durations`), not by the number of calls.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any, Final

from django.conf import settings
from django.db.models import Count, Q, QuerySet
from django.db.models.functions import TruncMinute
from django.utils import timezone
from django.utils.dateformat import format as written
from django.utils.formats import number_format
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext, pgettext, pgettext_lazy

from ..backends.durations import percentile
from ..models import Call
from .pages import decimal, duration

#: Rows of each table.
MOST_ROWS: Final = 15
#: Outcomes that are counted as errors: somebody wanted something and did not get it.
FAILED: Final = ("tool_error", "timed_out", "error", "internal_error")
#: The methods that are about something with a name.
NAMED: Final = ("tools/call", "prompts/get", "resources/read")

#: The chart, in the units of its own.
WIDTH: Final = 960
HEIGHT: Final = 160


@dataclass(frozen=True, kw_only=True)
class Period:
    """So many bars of so many minutes, the last of which is now."""

    name: str
    title: Any
    bars: int
    minutes: int
    label: Any

    def bar_of(self, moment: datetime) -> int:
        """Which bar a moment is in, counted from the epoch."""
        return int(moment.timestamp()) // (60 * self.minutes)


#: How the moments of a chart are written.
_TIME: Final = pgettext_lazy("a format of Django's for dates", "H:i")
_DAY: Final = pgettext_lazy("a format of Django's for dates", "d M")
_DAY_AND_TIME: Final = pgettext_lazy("a format of Django's for dates", "d M H:i")

PERIODS: Final[Mapping[str, Period]] = MappingProxyType(
    {
        period.name: period
        for period in (
            Period(
                name="hour", title=pgettext_lazy("period", "Hour"), bars=60, minutes=1, label=_TIME
            ),
            Period(
                name="day", title=pgettext_lazy("period", "Day"), bars=24, minutes=60, label=_TIME
            ),
            Period(
                name="week",
                title=pgettext_lazy("period", "Week"),
                bars=28,
                minutes=360,
                label=_DAY_AND_TIME,
            ),
            Period(name="month", title=gettext_lazy("30 days"), bars=30, minutes=1440, label=_DAY),
            Period(
                name="quarter",
                title=gettext_lazy("90 days"),
                bars=90,
                minutes=1440,
                label=_DAY,
            ),
        )
    }
)


@dataclass(frozen=True, kw_only=True)
class Numbers:
    """What is said of a number of calls."""

    calls: int
    errors: int
    p50: float
    p95: float

    @property
    def error_rate(self) -> str:
        if not self.calls:
            return "-"
        return _("%(number)s %%") % {"number": decimal(100 * self.errors / self.calls)}

    @property
    def median(self) -> str:
        return duration(self.p50) if self.calls else "-"

    @property
    def slow(self) -> str:
        return duration(self.p95) if self.calls else "-"


@dataclass(frozen=True, kw_only=True)
class Row:
    """A line of a table, and the query of the list of its calls."""

    name: str
    of: Numbers
    query: str


@dataclass(frozen=True, kw_only=True)
class Table:
    """The busiest of a kind."""

    title: str
    rows: Sequence[Row]


@dataclass(frozen=True, kw_only=True)
class Bar:
    """Calls of a part of the period; positions in the units of the chart."""

    title: str
    x: float
    width: float
    y: float
    height: float
    failed_y: float
    failed_height: float


@dataclass(frozen=True, kw_only=True)
class Summary:
    """All that the page shows."""

    period: Period
    periods: Sequence[Period]
    server: str
    servers: Sequence[str]
    of: Numbers
    bars: Sequence[Bar]
    most: int
    first: str
    last: str
    tables: Sequence[Table]
    width: int = WIDTH
    height: int = HEIGHT


def of(period_name: str, server: str) -> Summary:
    """The summary of a period, by default of a day; of one server, or of all."""
    period = PERIODS.get(period_name, PERIODS["day"])
    last = period.bar_of(timezone.now())
    first = last - period.bars + 1
    start = datetime.fromtimestamp(first * 60 * period.minutes, UTC)
    rows = Call.objects.filter(called__gte=_stored(start)).order_by()
    names = list(rows.values_list("server", flat=True).distinct()[:MOST_ROWS])
    if server:
        rows = rows.filter(server=server)
    bars, most = _bars(rows, period, first)
    return Summary(
        period=period,
        periods=list(PERIODS.values()),
        server=server,
        servers=sorted({*names, *([server] if server else [])}),
        of=_numbers(rows, ()).get((), Numbers(calls=0, errors=0, p50=0, p95=0)),
        bars=bars,
        most=most,
        first=_("%(when)s UTC") % {"when": written(start, str(period.label))},
        last=pgettext("the end of a chart", "now"),
        tables=_tables(rows),
    )


def _stored(moment: datetime) -> datetime:
    return moment if settings.USE_TZ else timezone.make_naive(moment, UTC)


# ------------------------------------------------------------------------------------- the tables


def _tables(rows: QuerySet[Call]) -> list[Table]:
    named = rows.filter(method__in=NAMED)
    return [
        Table(title=_("By tool, prompt and resource"), rows=_busiest(named, ("target",))),
        Table(title=_("By client"), rows=_busiest(rows, ("client",))),
        Table(title=_("By user"), rows=_by_user(rows)),
    ]


def _by_user(rows: QuerySet[Call]) -> list[Row]:
    """The users, whatever they came with, and who is none of the users."""
    users = _busiest(rows.exclude(user_key=""), ("user_key", "user_label"))
    others = _busiest(rows.filter(user_key=""), ("principal",))
    return sorted([*users, *others], key=lambda row: -row.of.calls)[:MOST_ROWS]


def _busiest(rows: QuerySet[Call], fields: tuple[str, ...]) -> list[Row]:
    first = fields[0]
    top = rows.values(first).annotate(calls=Count("pk")).order_by("-calls", first)[:MOST_ROWS]
    keys = [found[first] for found in top]
    if not keys:
        return []
    numbers = _numbers(rows.filter(**{f"{first}__in": keys}), fields)
    named = sorted(numbers.items(), key=lambda item: (-item[1].calls, item[0]))
    return [
        Row(name=key[-1] or key[0] or "-", of=found, query=urlencode({first: key[0]}))
        for key, found in named[:MOST_ROWS]
    ]


def _numbers(rows: QuerySet[Call], fields: tuple[str, ...]) -> dict[tuple[str, ...], Numbers]:
    """The numbers for each combination of the values of `fields`."""
    steps: dict[tuple[str, ...], Counter[int]] = defaultdict(Counter)
    errors: Counter[tuple[str, ...]] = Counter()
    counted = rows.values_list(*fields, "step").annotate(
        calls=Count("pk"), errors=Count("pk", filter=Q(outcome__in=FAILED))
    )
    for *key, step, calls, failed in counted:
        steps[tuple(key)][step] += calls
        errors[tuple(key)] += failed
    return {
        key: Numbers(
            calls=sum(counts.values()),
            errors=errors[key],
            p50=percentile(counts, 0.50),
            p95=percentile(counts, 0.95),
        )
        for key, counts in steps.items()
    }


# -------------------------------------------------------------------------------------- the chart


def _bars(rows: QuerySet[Call], period: Period, first: int) -> tuple[list[Bar], int]:
    calls: Counter[int] = Counter()
    errors: Counter[int] = Counter()
    for moment, number, failed in _over_time(rows, period):
        calls[period.bar_of(moment)] += number
        errors[period.bar_of(moment)] += failed
    most = max(calls.values(), default=0)
    scale = (HEIGHT - 4) / most if most else 0
    step = WIDTH / period.bars
    bars = []
    for number in range(period.bars):
        at = first + number
        height, failed_height = calls[at] * scale, errors[at] * scale
        moment = datetime.fromtimestamp(at * 60 * period.minutes, UTC)
        bars.append(
            Bar(
                title=_title(written(moment, str(period.label)), calls[at], errors[at]),
                x=round(number * step + step * 0.1, 2),
                width=round(step * 0.8, 2),
                y=round(HEIGHT - height, 2),
                height=round(height, 2),
                failed_y=round(HEIGHT - failed_height, 2),
                failed_height=round(failed_height, 2),
            )
        )
    return bars, most


def _title(when: str, calls: int, errors: int) -> str:
    def of(number: int) -> dict[str, str]:
        return {"number": number_format(number, force_grouping=True)}

    return _("%(when)s UTC: %(calls)s, %(errors)s") % {
        "when": when,
        "calls": ngettext("%(number)s call", "%(number)s calls", calls) % of(calls),
        "errors": ngettext("%(number)s error", "%(number)s errors", errors) % of(errors),
    }


def _over_time(rows: QuerySet[Call], period: Period) -> Iterator[tuple[datetime, int, int]]:
    """Moments, and how many calls and errors there were from each on."""
    counts = {"calls": Count("pk"), "errors": Count("pk", filter=Q(outcome__in=FAILED))}
    if period.minutes >= 60:
        for hour, number, failed in rows.values_list("hour").annotate(**counts):
            yield datetime.fromtimestamp(hour * 3600, UTC), number, failed
        return
    options: Any = {"tzinfo": UTC} if settings.USE_TZ else {}
    minutes: Any = rows.values_list(TruncMinute("called", **options)).annotate(**counts)
    for moment, number, failed in minutes:
        yield moment.replace(tzinfo=UTC), number, failed
