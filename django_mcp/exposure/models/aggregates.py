"""The tool that sums a model up: `aggregate_books`.

It counts, adds and compares the exposed fields, for all objects or in groups, with the filters that
the list has. What can be measured is `terms`'s to say, the query is `sums`'s.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Annotated, Any, Final, Literal

from pydantic import Field

from ...server.context import Context
from ...server.errors import InvalidArguments
from ...server.registration import Registration
from .annotations import list_of, record, some
from .exposed import ExposedModel
from .filters import condition
from .functions import Argument, function_of
from .reading import filter_arguments, search_argument, searched
from .selection import Exposed
from .sums import TOO_MANY, Extent, Rows, base_of, objects_alone, order_of
from .terms import (
    COUNT,
    LONGEST,
    Term,
    functions_of,
    kind_of_term,
    periods_of,
)

MEASURES: Final = 10
GROUPS: Final = 4

Known = dict[str, tuple[Term, Exposed | None]]


def add_aggregate(server: Registration, exposed: ExposedModel) -> None:
    """`aggregate_books`: measures of the objects that pass the filters, all or in groups."""
    resource = exposed.resource
    measures, groups = measures_of(exposed), groups_of(exposed)
    kinds = {
        text: kind_of_term(term, member).shown
        for text, (term, member) in {**groups, **measures}.items()
    }
    name = f"aggregate_{resource.plural}"
    arguments = {**_measuring(exposed, tuple(measures), tuple(groups)), **_choosing(exposed)}
    row = some("Row", kinds)
    server.add_tool(
        function_of(
            _summer(exposed, name, measures, groups),
            name,
            f"Count and sum up {resource.plural}, all together or in groups; of those that pass "
            "the filters given. Decimals are exact.",
            arguments,
            record("Sums", {"rows": list_of(row), "more": bool}),
        ),
        read_only=True,
        open_world=False,
        permission=exposed.rule(resource.has_view_permission),
    )


def measures_of(exposed: ExposedModel) -> Known:
    """What can be measured, by its name."""
    found: Known = {COUNT: (Term(text=COUNT, field="*", function="count"), None)}
    for member in exposed.selection.members:
        for function in functions_of(member):
            text = f"{function}({member.name})"
            found[text] = (Term(text=text, field=member.name, function=function), member)
    return found


def groups_of(exposed: ExposedModel) -> Known:
    """What can be grouped by, by its name."""
    found: Known = {}
    for member in exposed.selection.members:
        if member.comparable:
            found[member.name] = (Term(text=member.name, field=member.name), member)
        for period in periods_of(member):
            text = f"{period}({member.name})"
            found[text] = (Term(text=text, field=member.name, function=period), member)
    return found


def _measuring(
    exposed: ExposedModel, measures: tuple[str, ...], groups: tuple[str, ...]
) -> dict[str, Argument]:
    most = exposed.resource.max_rows
    name = Annotated[str, Field(max_length=LONGEST + 1)]
    return {
        "measures": Argument(
            annotation=list_of(Literal[measures], 1, MEASURES),
            description="What is measured",
            default=[COUNT],
        ),
        "group_by": Argument(
            annotation=list_of(Literal[groups], None, GROUPS),
            description="One row for each value; month(x) is the first day of the month of x. "
            "Without any there is one row for all.",
            default=[],
        ),
        "order_by": Argument(
            annotation=list_of(name, None, GROUPS + MEASURES),
            description="Of the measures and groups asked for, a minus for descending: "
            f'"-{COUNT}". By the groups without any.',
            default=[],
        ),
        "limit": Argument(
            annotation=Annotated[int, Field(ge=1, le=most)],
            description="How many rows at most; `more` tells whether there are more",
            default=min(100, most),
        ),
    }


def _choosing(exposed: ExposedModel) -> dict[str, Argument]:
    """The arguments that say of which objects, as the list and the search have them."""
    found = filter_arguments(exposed)
    words = search_argument(exposed)
    if words is not None:
        optional = replace(words, annotation=words.annotation | None, default=None)
        found = {"search": optional, **found}
    return found


def _summer(
    exposed: ExposedModel, name: str, measures: Known, groups: Known
) -> Callable[[Context, dict[str, Any]], Any]:
    resource = exposed.resource

    def sum_up(ctx: Context, given: dict[str, Any]) -> Any:
        wanted = [measures[text] for text in dict.fromkeys(given.pop("measures"))]
        by = [groups[text] for text in dict.fromkeys(given.pop("group_by"))]
        names, limit = given.pop("order_by"), given.pop("limit")
        words = given.pop("search", None)
        queryset = objects_alone(exposed.objects(ctx))
        scope = exposed.scope(ctx, queryset)
        queryset = queryset.filter(condition(exposed.filters, given, scope))
        if words is not None:
            queryset = queryset.filter(searched(exposed, words, scope))
        several = [member for _, member in by if member is not None and member.many]
        if len(several) > 1:
            raise InvalidArguments(name, [f"group_by: {TOO_MANY}"])
        base = base_of(queryset, scope, several[0] if several else None)
        columns = [base.column(term, member) for term, member in by]
        sums = [base.column(term, member) for term, member in wanted]
        rows = Rows(
            queryset=base.queryset,
            columns=columns,
            measures=sums,
            grouped=True,
            order=order_of(name, names, [*columns, *sums]),
        )
        extent = Extent(rows=limit, bytes=resource.max_result_bytes, seconds=resource.query_timeout)
        found, more = rows.read(extent)
        return {"rows": found, "more": more}

    return sum_up
