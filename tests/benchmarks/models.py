"""What the tools of an exposed model cost beside the queries one would write by hand:
``python -m tests.benchmarks.models --help``.

A table of many rows in a throw-away PostgreSQL. Each question is asked of two servers in this
process, in turns: one exposes the model, the other has a function with the same query, written
with the ORM, and returns the same rows of the same type. Prints the medians and their ratio, and
how much memory the process gained. A measurement and not a test.
"""

from __future__ import annotations

import argparse
import asyncio
import resource
import statistics
import time
from collections.abc import Mapping
from typing import Annotated, Any

from tests import services

Question = tuple[str, str, str, Mapping[str, Any], Mapping[str, Any]]


def main() -> None:
    """Fill a table, measure, and print a table."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.models")
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=200)
    options = parser.parse_args()
    with services.postgres() as postgres:
        _set_up({**postgres.new_database(), "CONN_MAX_AGE": None})
        _fill(options.rows)
        asyncio.run(_measure(options.rows, options.rounds))


def _set_up(database: Mapping[str, Any]) -> None:
    import django
    from django.conf import settings

    from tests import settings as ours

    given = {name: getattr(ours, name) for name in dir(ours) if name.isupper()}
    settings.configure(**{**given, "DATABASES": {"default": dict(database)}})
    django.setup()
    from django.core.management import call_command

    call_command("migrate", verbosity=0)


def _fill(rows: int) -> None:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("INSERT INTO depot_country VALUES ('fr', 'France', false)")
        cursor.execute(
            "INSERT INTO depot_maker (name, country_id, salary) "
            "SELECT 'Maker ' || i, 'fr', 0 FROM generate_series(1, 1000) i"
        )
        cursor.execute(
            "INSERT INTO depot_thing (name, slug, notes, count, price, state, fragile, code, "
            "picture, maker_id, password, api_token) SELECT 'Thing ' || i, "
            "'thing-' || lpad(i::text, 9, '0'), repeat('notes ', 20), i %% 100, (i %% 1000) / 4.0, "
            "CASE WHEN i %% 3 = 0 THEN 'used' ELSE 'new' END, i %% 2 = 0, gen_random_uuid(), '', "
            "1 + i %% 1000, '', '' FROM generate_series(1, %s) i",
            [rows],
        )
        cursor.execute("VACUUM ANALYZE")


async def _measure(rows: int, rounds: int) -> None:
    from django_mcp import MCPServer
    from tests.exposure.depot.server import Guest

    exposed, by_hand = MCPServer("exposed"), MCPServer("by hand")
    questions = _register(exposed, by_hand, rows)
    ours, theirs = Guest(exposed), Guest(by_hand)
    print(f"{rows} rows, median of {rounds} calls each, in milliseconds\n")
    print("| | exposed | by hand | ratio | KiB gained |\n|---|---:|---:|---:|---:|")
    for title, tool, hand, arguments, same in questions:
        count = rounds if title != "aggregate" else max(3, rounds // 20)
        expected, got = await theirs.call(hand, **same), await ours.call(tool, **arguments)
        if "items" in got:
            assert got["items"] == expected["items"], title
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        one, other = [], []
        for _ in range(count):
            one.append(await _timed(ours, tool, arguments))
            other.append(await _timed(theirs, hand, same))
        gained = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
        a, b = statistics.median(one), statistics.median(other)
        print(f"| {title} | {a:.2f} | {b:.2f} | {a / b:.2f} | {gained} |", flush=True)


async def _timed(guest: Any, tool: str, arguments: Mapping[str, Any]) -> float:
    begun = time.perf_counter()
    await guest.call(tool, **arguments)
    return (time.perf_counter() - begun) * 1000


def _register(exposed: Any, by_hand: Any, rows: int) -> list[Question]:
    from django.db.models import Avg, Count, Q, Sum
    from pydantic import Field
    from typing_extensions import TypedDict

    from django_mcp import Context, ModelResource
    from django_mcp.exposure.models.registry import exposed_on
    from tests.exposure.depot.models import Maker, Thing

    @exposed.expose(Thing)
    class Things(ModelResource):
        fields = ("name", "slug", "count", "price", "state", "fragile", "maker")
        ordering = ("slug",)
        tools = ("list", "get", "aggregate")

        def has_view_permission(self, ctx: Any, obj: Any = None) -> bool:
            return True

    row_type = exposed_on(exposed)[Thing].shape.type
    page_type: Any = TypedDict(  # type: ignore[misc]
        "page_type", {"items": list[row_type], "next_cursor": str | None}
    )

    def row(thing: Thing) -> dict[str, Any]:
        maker: Maker | None = thing.maker
        return {
            "id": thing.pk,
            "name": thing.name,
            "slug": thing.slug,
            "count": thing.count,
            "price": thing.price,
            "state": thing.state,
            "fragile": thing.fragile,
            "maker": None if maker is None else {"id": maker.pk, "label": str(maker)},
        }

    columns = ("name", "slug", "count", "price", "state", "fragile", "maker")
    things = Thing.objects.select_related("maker").only(
        *columns, *[f"maker__{field.attname}" for field in Maker._meta.concrete_fields]
    )

    def page(queryset: Any, limit: int) -> Any:
        found = list(queryset[: limit + 1])
        return {"items": [row(thing) for thing in found[:limit]], "next_cursor": None}

    Limit = Annotated[int, Field(ge=1, le=100)]

    def first(ctx: Context, limit: Limit = 20) -> Any:
        return page(things.order_by("slug", "id"), limit)

    def filtered(ctx: Context, maker: int, limit: Limit = 20) -> Any:
        return page(things.filter(maker=maker).order_by("slug", "id"), limit)

    def deep(ctx: Context, slug: str, last: int, limit: Limit = 20) -> Any:
        behind = Q(slug__gt=slug) | Q(slug=slug, id__gt=last)
        return page(things.filter(behind, slug__gte=slug).order_by("slug", "id"), limit)

    def get(ctx: Context, last: int) -> Any:
        return row(things.get(pk=last))

    def groups(ctx: Context) -> Any:
        sums = {"n": Count("pk"), "total": Sum("count"), "mean": Avg("price")}
        found = Thing.objects.values("state").annotate(**sums).order_by("state")
        rows = [
            {
                "state": group["state"],
                "count(*)": group["n"],
                "sum(count)": group["total"],
                "avg(price)": group["mean"],
            }
            for group in found
        ]
        return {"rows": rows, "more": False}

    for function in (first, filtered, deep):
        function.__annotations__["return"] = page_type
        by_hand.add_tool(function)
    get.__annotations__["return"] = row_type
    by_hand.add_tool(get)
    groups.__annotations__["return"] = dict[str, Any]
    by_hand.add_tool(groups)

    last = rows * 9 // 10
    slug = f"thing-{last:09}"
    order = exposed_on(exposed)[Thing].orders["slug"]
    cursor = order._encode([slug, last])
    sums = {"measures": ["count(*)", "sum(count)", "avg(price)"], "group_by": ["state"]}
    return [
        ("first page", "list_things", "first", {}, {}),
        ("page of 100", "list_things", "first", {"limit": 100}, {"limit": 100}),
        ("filtered page", "list_things", "filtered", {"maker": 7}, {"maker": 7}),
        ("deep page", "list_things", "deep", {"cursor": cursor}, {"slug": slug, "last": last}),
        ("get", "get_thing", "get", {"id": last}, {"last": last}),
        ("aggregate", "aggregate_things", "groups", sums, {}),
    ]


if __name__ == "__main__":
    main()
