"""A tool that takes a small query: `query_books`, and one for several models of a server.

A query is an object with names of fields in it. Each is looked up in what is exposed, and reaches
further models only through relations that lead to models which are exposed on the same server and
which the caller may view. It has no code in it and no SQL.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Final

from django.db import models
from django.db.models import Q, QuerySet
from pydantic import Field

from ...protocol import problems
from ...server.access import Principal
from ...server.context import Context
from ...server.errors import InvalidArguments
from ...server.registration import Registration
from .annotations import list_of, record
from .exposed import ExposedModel
from .functions import Argument, function_of
from .scope import Scope
from .selection import Exposed
from .sums import TOO_MANY, Base, Extent, Rows, base_of, measure_alias, objects_alone, order_of
from .terms import LONGEST, PERIODS, Column, Term, functions_of, periods_of, term_of
from .wheres import Leaf, Tree, Where

#: Relations on the way to a field.
HOPS: Final = 3
SELECTED: Final = 30
GROUPS: Final = 5
MEASURES: Final = 10
#: Rows that are left out before the first of an answer; the database makes them all the same.
FURTHEST: Final = 10_000


def add_query(server: Registration, exposed: ExposedModel) -> None:
    """`query_books`: rows of one model."""
    name = f"query_{exposed.resource.plural}"

    def ask(ctx: Context, given: dict[str, Any]) -> Any:
        return _Query(name, exposed, ctx, given).answer()

    fields = ", ".join(f"{m.name} ({_sort(m)})" for m in exposed.selection.members if _is_stored(m))
    _add(
        server,
        name,
        f"Ask a question of {exposed.resource.plural}: select fields, or group and measure them. "
        f"Fields are {fields}. A relation leads to the fields of what is exposed beyond it: "
        '"author.name".',
        _arguments(exposed.resource.max_rows),
        ask,
        exposed.rule(exposed.resource.has_view_permission),
    )


def add_query_of(
    server: Registration, name: str, found: Callable[[], Sequence[ExposedModel]]
) -> None:
    """One tool for several models, which `found` knows when it is called."""

    def ask(ctx: Context, given: dict[str, Any]) -> Any:
        wanted = given.pop("model")
        known = {e.resource.plural: e for e in found() if e.may_view_any(ctx)}
        exposed = known.get(wanted)
        if exposed is None:
            there = f"there are {', '.join(sorted(known))}" if known else "there are none"
            raise InvalidArguments(name, [f"model: is none of those that can be asked; {there}"])
        return _Query(name, exposed, ctx, given).answer()

    def rule(principal: Principal) -> bool:
        return any(e.rule(e.resource.has_view_permission)(principal) is True for e in found())

    model = Argument(
        annotation=Annotated[str, Field(max_length=LONGEST)],
        description='What is asked about, in the plural, as in the names of the tools: "books"',
    )
    _add(
        server,
        name,
        "Ask a question of one kind of objects: select fields, or group and measure them. A "
        'relation leads to the fields of what is exposed beyond it: "author.name".',
        {"model": model, **_arguments(None)},
        ask,
        rule,
    )


def _add(
    server: Registration,
    name: str,
    description: str,
    arguments: dict[str, Argument],
    body: Callable[[Context, dict[str, Any]], Any],
    permission: Callable[[Principal], bool],
) -> None:
    answer = record("Answer", {"rows": list_of(dict[str, Any]), "next_offset": int | None})
    server.add_tool(
        function_of(body, name, description, arguments, answer),
        read_only=True,
        open_world=False,
        permission=permission,
    )


def _arguments(max_rows: int | None) -> dict[str, Argument]:
    name = Annotated[str, Field(max_length=LONGEST + 1)]
    return {
        "select": Argument(
            annotation=list_of(name, None, SELECTED),
            description="Fields of each object, periods of dates as in group_by, and count(x) of a "
            "relation to several; not together with group_by and measures",
            default=[],
        ),
        "where": Argument(
            annotation=Where | None,
            description='Which objects: {"field": "price", "lookup": "gte", "value": "9.99"}, or '
            '{"and": [...]}, {"or": [...]}, {"not": {...}} of such',
            default=None,
        ),
        "group_by": Argument(
            annotation=list_of(name, None, GROUPS),
            description=f"Fields, and periods of dates: {', '.join(f'{p}(x)' for p in PERIODS)}",
            default=[],
        ),
        "measures": Argument(
            annotation=list_of(name, None, MEASURES),
            description="count(*), count_distinct(x), sum(x), avg(x), min(x), max(x)",
            default=[],
        ),
        "having": Argument(
            annotation=Where | None,
            description="Which groups, by their measures, as in where",
            default=None,
        ),
        "order_by": Argument(
            annotation=list_of(name, None, GROUPS + MEASURES),
            description="Fields, or groups and measures asked for; a minus for descending",
            default=[],
        ),
        "limit": Argument(
            annotation=Annotated[int, Field(ge=1, le=max_rows)]
            if max_rows
            else Annotated[int, Field(ge=1)],
            description="How many rows at most",
            default=min(100, max_rows or 100),
        ),
        "offset": Argument(
            annotation=Annotated[int, Field(ge=0, le=FURTHEST)],
            description="next_offset of the answer before, with the same question",
            default=0,
        ),
    }


def _is_stored(member: Exposed) -> bool:
    """True for what has a value in the database that means something to a caller."""
    return member.compute is None and not isinstance(member.field, models.FileField)


def _sort(member: Exposed) -> str:
    """What a field is, in a word."""
    if member.is_relation:
        return f"relation to {member.related._meta.verbose_name_plural}"
    lookups = member.kind.lookups
    if member.kind.dated:
        return "date"
    if "contains" in lookups:
        return "text"
    if member.kind.numeric:
        return "number"
    return "value" if lookups else "only selected"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Found:
    """What a name leads to: the member, the model it is of, and the scope that reaches it."""

    member: Exposed
    exposed: ExposedModel
    scope: Scope


class _Query:
    """One question to one model, by one caller."""

    def __init__(
        self, tool: str, exposed: ExposedModel, ctx: Context, given: dict[str, Any]
    ) -> None:
        self._tool, self._exposed, self._ctx, self._given = tool, exposed, ctx, given

    def answer(self) -> dict[str, Any]:
        given, resource = self._given, self._exposed.resource
        queryset = objects_alone(self._exposed.objects(self._ctx))
        scope = self._exposed.scope(self._ctx, queryset)
        tree = Tree(self._tool, lambda name, place: self._leaf(name, place, scope))
        queryset = queryset.filter(tree.condition(given["where"], "where"))
        made = self._groups if given["group_by"] or given["measures"] else self._objects
        extent = Extent(
            rows=min(given["limit"], resource.max_rows),
            bytes=resource.max_result_bytes,
            seconds=resource.query_timeout,
            offset=given["offset"],
        )
        rows, more = made(queryset, scope).read(extent)
        following = extent.offset + len(rows)
        return {"rows": rows, "next_offset": following if more else None}

    # What is asked for

    def _objects(self, queryset: QuerySet[Any], scope: Scope) -> Rows:
        given = self._given
        if given["having"] is not None:
            raise self._wrong("having", "goes with measures")
        if not given["select"]:
            raise self._wrong("select", "name at least one field, or what to measure in measures")
        base = base_of(queryset, scope, None)
        columns = [
            self._selected(base, text, f"select[{number}]")
            for number, text in enumerate(dict.fromkeys(given["select"]))
        ]
        order = {
            text.removeprefix("-"): (
                self._ordered(base, text.removeprefix("-"), f"order_by[{number}]"),
                text.startswith("-"),
            )
            for number, text in enumerate(given["order_by"])
        }
        return Rows(queryset=base.queryset, columns=columns, order=list(order.values()))

    def _groups(self, queryset: QuerySet[Any], scope: Scope) -> Rows:
        given = self._given
        if given["select"]:
            raise self._wrong("select", "does not go with group_by and measures")
        if given["having"] is not None and not (given["group_by"] and given["measures"]):
            raise self._wrong("having", "goes with measures of groups")
        by = [
            (self._term(text, f"group_by[{number}]"), f"group_by[{number}]")
            for number, text in enumerate(dict.fromkeys(given["group_by"]))
        ]
        # Grouped by a relation to several objects, what is read is a row for each of those.
        several = [
            member
            for term, _ in by
            if (member := self._exposed.selection.get(term.text)) is not None and member.many
        ]
        if len(several) > 1:
            raise self._wrong("group_by", TOO_MANY)
        base = base_of(queryset, scope, several[0] if several else None)
        columns = [self._group(base, term, place) for term, place in by]
        measures = [
            self._measure(base, self._term(text, f"measures[{number}]"), f"measures[{number}]")
            for number, text in enumerate(dict.fromkeys(given["measures"]))
        ]
        return Rows(
            queryset=base.queryset,
            columns=columns,
            measures=measures,
            grouped=True,
            order=order_of(self._tool, given["order_by"], [*columns, *measures]),
            having=self._having(measures),
        )

    def _having(self, measures: list[Column]) -> Q:
        known = {column.term.text: number for number, column in enumerate(measures)}

        def find(name: str, place: str) -> Leaf:
            if name not in known:
                raise self._wrong(place, f"should be one of measures: {', '.join(known)}")
            number = known[name]
            kind = measures[number].kind
            return Leaf(
                kind=kind,
                lookups=kind.lookups,
                condition=lambda lookup, value: Q(**{f"{measure_alias(number)}__{lookup}": value}),
            )

        return Tree(self._tool, find).condition(self._given["having"], "having")

    # Columns

    def _selected(self, base: Base, text: str, place: str) -> Column:
        return self._period_or_field(base, self._term(text, place), place, _is_stored)

    def _group(self, base: Base, term: Term, place: str) -> Column:
        if base.several is not None and term.text == base.several.name:
            return base.column(term, base.several)
        if term.function == "count" and not term.is_measure:
            raise self._wrong(place, f"{term.text} is of each object, and cannot be grouped by")
        return self._period_or_field(base, term, place, lambda member: member.sortable)

    def _ordered(self, base: Base, text: str, place: str) -> Column:
        term = self._term(text, place)
        column = self._period_or_field(base, term, place, lambda member: member.sortable)
        found = self._find(term.field, base.scope, place)
        resource = found.exposed.resource
        if resource.ordering_fields is not None and found.member.name not in {
            name.removeprefix("-") for name in resource.ordering_fields
        }:
            raise self._wrong(place, f"{term.field} cannot be ordered by")
        return column

    def _period_or_field(
        self, base: Base, term: Term, place: str, fits: Callable[[Exposed], bool]
    ) -> Column:
        if term.is_measure:
            raise self._wrong(place, f"{term.text} is a measure, and belongs in measures")
        found = self._find(term.field, base.scope, place)
        if found.member.many and found.member.comparable and term.function == "count":
            return base.column(term, found.member, found.scope)
        if found.member.many:
            raise self._wrong(
                place,
                f"{term.field} leads to several objects: count({term.field}) can be selected, and "
                "the objects' own can be grouped by",
            )
        if term.function and term.function not in periods_of(found.member):
            raise self._unfit(place, term, periods_of(found.member))
        if not fits(found.member):
            raise self._wrong(place, f"{term.field} has no value that can be asked for here")
        return base.column(term, found.member, found.scope)

    def _measure(self, base: Base, term: Term, place: str) -> Column:
        if term.field == "*":
            return base.column(term, None)
        if not term.is_measure:
            raise self._wrong(
                place, f"{term.text} is no measure: write count_distinct({term.text})"
            )
        found = self._find(term.field, base.scope, place)
        if term.function not in functions_of(found.member):
            raise self._unfit(place, term, functions_of(found.member))
        return base.column(term, found.member, found.scope)

    # Names

    def _term(self, text: str, place: str) -> Term:
        term = term_of(text)
        if term is None:
            raise self._wrong(
                place,
                'should be a field ("author.name"), "count(*)", or a function of a field '
                '("sum(price)", "month(published)")',
            )
        return term

    def _leaf(self, name: str, place: str, scope: Scope) -> Leaf:
        found = self._find(name, scope, place)
        member, exposed = found.member, found.exposed
        lookups = member.kind.lookups if member.comparable else ()
        if exposed.resource.filter_fields is not None:
            allowed = {f.lookup for f in exposed.filters.values() if f.member is member}
            lookups = tuple(lookup for lookup in lookups if lookup in allowed)
        return Leaf(
            kind=member.kind,
            lookups=lookups,
            condition=lambda lookup, value: found.scope.condition(member, lookup, value),
        )

    def _find(self, name: str, scope: Scope, place: str) -> _Found:
        """What a dotted name leads to. What is hidden is answered like what is not there."""
        exposed = self._exposed
        *way, last = name.split(".")
        for part in way:
            beyond = exposed.beyond(self._ctx, part) if len(way) <= HOPS else None
            if beyond is None:
                raise self._unknown(name, place)
            scope, exposed = scope.beyond(exposed.selection[part]), beyond
        member = exposed.selection.get(last)
        if member is None:
            raise self._unknown(name, place)
        return _Found(member=member, exposed=exposed, scope=scope)

    def _unknown(self, name: str, place: str) -> InvalidArguments:
        there = ", ".join(m.name for m in self._exposed.selection.members if _is_stored(m))
        return self._wrong(place, f"there is no {problems.shown(name)}; there are {there}")

    def _unfit(self, place: str, term: Term, fitting: tuple[str, ...]) -> InvalidArguments:
        there = ", ".join(f"{each}({term.field})" for each in fitting) or "none"
        return self._wrong(place, f"there is no {term.text}; of {term.field} there are: {there}")

    def _wrong(self, place: str, text: str) -> InvalidArguments:
        return InvalidArguments(self._tool, [f"{place}: {text}"])
