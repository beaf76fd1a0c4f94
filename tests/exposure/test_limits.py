"""How long a query may take, and how much of its answer is sent.

The slow one counts to a number that no database reaches within the time a test may take: where it
is not stopped, these tests do not end.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.db import connections, transaction
from django.db.models.expressions import RawSQL

from django_mcp import MCPServer, ModelResource, ToolError
from django_mcp.exposure.models.limits import limited

from .depot import models
from .depot.server import Guest

ENDLESS = (
    "WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < 1e12) "
    "SELECT count(*) FROM numbers"
)
#: MariaDB recurses a thousand times, and then answers what it has.
ENDLESS_THERE = "SELECT count(*) FROM " + ", ".join(
    f"information_schema.columns AS columns_{n}" for n in range(4)
)


def endless(objects: Any) -> Any:
    """The objects, of which finding even one takes for ever."""
    there = connections[objects.db].vendor == "mysql"
    return objects.filter(count__lt=RawSQL(ENDLESS_THERE if there else ENDLESS, ()))


class Slow(ModelResource):
    """Things, of which finding even one takes for ever."""

    fields = ("name", "count", "notes")
    tools = ("list", "get", "search", "aggregate")
    query = True
    search_fields = ("name",)
    query_timeout = 0.2

    def get_queryset(self, ctx: Any) -> Any:
        return endless(super().get_queryset(ctx).using("elsewhere"))


class Things(ModelResource):
    """Things in the database called `elsewhere`."""

    fields = ("name", "count", "notes")
    tools = ("list", "aggregate")
    query = True

    def get_queryset(self, ctx: Any) -> Any:
        return super().get_queryset(ctx).using("elsewhere")


CALLS = {
    "aggregate_things": {},
    "query_things": {"select": ["name"]},
    "list_things": {},
    "get_thing": {"id": 1},
    "search_things": {"search": "lamp"},
}


@pytest.mark.parametrize("tool", CALLS)
async def test_a_slow_query_is_stopped(
    server: MCPServer, ann: Any, elsewhere: str, tool: str
) -> None:
    server.expose(models.Thing, Slow)

    said = await Guest(server, ann).fail(tool, **CALLS[tool])

    assert said.startswith("This took longer than 0.2 seconds and was stopped:")
    assert await models.Thing.objects.using(elsewhere).acount() == 3


@pytest.mark.parametrize(
    ("method", "params"),
    [
        ("resources/read", {"uri": "depot://things"}),
        ("resources/read", {"uri": "depot://things?limit=1"}),
        ("resources/read", {"uri": "depot://things/1"}),
        ("resources/list", {}),
    ],
    ids=str,
)
async def test_a_slow_resource_is_stopped(
    server: MCPServer, ann: Any, elsewhere: str, method: str, params: dict[str, Any]
) -> None:
    server.expose(models.Thing, Slow)

    reply = await Guest(server, ann).ask(method, **params)

    assert reply.error["message"].startswith("This took longer than 0.2 seconds")
    assert await models.Thing.objects.using(elsewhere).acount() == 3


@pytest.mark.parametrize("value", ["", "1", "lamp"])
async def test_a_slow_completion_has_no_suggestions(
    server: MCPServer, ann: Any, elsewhere: str, value: str
) -> None:
    server.expose(models.Thing, Slow)

    reply = await Guest(server, ann).ask(
        "completion/complete",
        ref={"type": "ref/resource", "uri": "depot://things/{id}"},
        argument={"name": "id", "value": value},
    )

    assert reply.result["completion"]["values"] == []


async def test_a_transaction_goes_on_after_a_query_was_stopped(elsewhere: str) -> None:
    @sync_to_async
    def work() -> int:
        with transaction.atomic(using=elsewhere):
            things = models.Thing.objects.using(elsewhere)
            things.filter(slug="lamp").update(count=70)
            with pytest.raises(ToolError), limited(elsewhere, 0.1):
                list(endless(things.all()))
            things.filter(slug="anchor").update(count=7)
        return sum(things.values_list("count", flat=True))

    assert await work() == 79


def _limit(alias: str) -> Any:
    """What the connection itself has for a limit; None where that cannot be asked."""
    connection = connections[alias]
    if connection.vendor != "postgresql":
        return None
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_setting('statement_timeout')")
        return cursor.fetchone()[0]


async def test_the_limit_ends_with_the_query_and_a_shorter_one_stays(elsewhere: str) -> None:
    @sync_to_async
    def work() -> list[Any]:
        if connections[elsewhere].vendor != "postgresql":
            pytest.skip("only PostgreSQL tells its limit")
        found = []
        with limited(elsewhere, 5):
            found.append(_limit(elsewhere))
            with limited(elsewhere, 2):
                found.append(_limit(elsewhere))
                with limited(elsewhere, 9):
                    found.append(_limit(elsewhere))
                found.append(_limit(elsewhere))
            found.append(_limit(elsewhere))
        found.append(_limit(elsewhere))
        with transaction.atomic(using=elsewhere):
            with connections[elsewhere].cursor() as cursor:
                cursor.execute("SET LOCAL statement_timeout = '7s'")
            with limited(elsewhere, 5):
                found.append(_limit(elsewhere))
            found.append(_limit(elsewhere))
        return found

    assert await work() == ["5s", "2s", "2s", "2s", "5s", "0", "5s", "7s"]


async def test_limits_in_each_other_are_each_kept(elsewhere: str) -> None:
    @sync_to_async
    def work() -> None:
        slow = endless(models.Thing.objects.using(elsewhere).all())

        def twice() -> None:
            with (
                pytest.raises(ToolError, match=r"longer than 0\.1 seconds"),
                limited(elsewhere, 0.1),
            ):
                slow.count()
            # The outer one is still there.
            slow.count()

        with pytest.raises(ToolError, match=r"longer than 0\.3 seconds"), limited(elsewhere, 0.3):
            twice()
        with limited(elsewhere, None):
            assert models.Thing.objects.using(elsewhere).count() == 3

    await work()


async def test_each_thread_has_a_limit_of_its_own(elsewhere: str) -> None:
    """While one query is stopped, others on connections of their own run to their end."""
    started = threading.Barrier(4, timeout=30)

    def ask(seconds: float, work: Callable[[], Any], into: list[Any]) -> None:
        try:
            with limited(elsewhere, seconds):
                started.wait()
                into.append(work())
        except ToolError as error:
            into.append(error)
        finally:
            connections[elsewhere].close()

    things = models.Thing.objects.using(elsewhere)
    stopped: list[Any] = []
    ended: list[Any] = []

    @sync_to_async
    def work() -> None:
        threads = [
            threading.Thread(
                target=ask, args=(0.2, lambda: endless(things.all()).count(), stopped)
            ),
            threading.Thread(
                target=ask, args=(0.2, lambda: endless(things.all()).count(), stopped)
            ),
            threading.Thread(target=ask, args=(60, things.all().count, ended)),
            threading.Thread(target=ask, args=(60, things.all().count, ended)),
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)

    await work()

    assert ended == [3, 3]
    assert [isinstance(each, ToolError) for each in stopped] == [True, True]


async def test_what_a_caller_makes_slow_is_stopped(
    server: MCPServer, ann: Any, elsewhere: str
) -> None:
    """Long texts, and every condition looks through all of them."""

    @sync_to_async
    def much() -> None:
        notes = "ab" * 50_000
        models.Thing.objects.using(elsewhere).bulk_create(
            models.Thing(name="n", slug=f"n{n}", notes=notes) for n in range(100)
        )

    class Hasty(Things):
        query_timeout = 0.02

    await much()
    server.expose(models.Thing, Hasty)
    conditions = [
        {"not": {"field": "notes", "lookup": "icontains", "value": f"a{n}b"}} for n in range(25)
    ]

    said = await Guest(server, ann).fail(
        "query_things", measures=["count(*)"], where={"and": conditions}
    )

    assert "took longer than 0.02 seconds" in said


async def test_an_answer_ends_with_its_bytes(server: MCPServer, ann: Any, elsewhere: str) -> None:
    class Short(Things):
        max_result_bytes = 250

    @sync_to_async
    def much() -> None:
        models.Thing.objects.using(elsewhere).update(notes="x" * 100)

    await much()
    server.expose(models.Thing, Short)
    guest = Guest(server, ann)
    question: dict[str, Any] = {"select": ["name", "notes"], "order_by": ["name"]}

    first = await guest.call("query_things", **question)
    rest = await guest.call("query_things", **question, offset=first["next_offset"])

    assert [row["name"] for row in first["rows"]] == ["Anchor"]
    assert first["next_offset"] == 1
    assert [row["name"] for row in rest["rows"]] == ["Lamp"]
    found = await guest.call("aggregate_things", group_by=["name", "notes"])
    assert [len(found["rows"]), found["more"]] == [1, True]


async def test_a_row_that_is_too_long_alone_is_said_so(
    server: MCPServer, ann: Any, elsewhere: str
) -> None:
    class Tiny(Things):
        max_result_bytes = 20

    server.expose(models.Thing, Tiny)
    guest = Guest(server, ann)

    assert (await guest.call("query_things", select=["count"]))["rows"]
    said = await guest.fail("query_things", select=["name", "count", "notes"])
    assert "more than the 20 bytes" in said


async def test_an_answer_has_no_more_rows_than_the_model_allows(
    server: MCPServer, ann: Any, elsewhere: str
) -> None:
    class Few(Things):
        max_rows = 2

    server.expose(models.Thing, Few)
    guest = Guest(server, ann)

    found = await guest.call("query_things", select=["name"])
    assert [len(found["rows"]), found["next_offset"]] == [2, 2]
    assert "less than or equal to 2" in await guest.fail("query_things", select=["name"], limit=3)


@pytest.mark.parametrize(
    "options", [{"max_rows": 0}, {"max_result_bytes": 0}, {"query_timeout": 0}], ids=str
)
def test_a_limit_of_nothing_is_refused(server: MCPServer, options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(options))):
        server.expose(models.Thing, fields=["name"], **options)


async def test_a_database_that_keeps_no_time_is_asked_all_the_same(
    elsewhere: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    @sync_to_async
    def work() -> int:
        monkeypatch.setattr(connections[elsewhere], "vendor", "other")
        with limited(elsewhere, 1):
            return models.Thing.objects.using(elsewhere).count()

    assert await work() == 3
