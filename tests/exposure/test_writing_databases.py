"""Writing to a database of its own, PostgreSQL, with calls that really run at the same time."""

from __future__ import annotations

import asyncio
import copy
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from django.apps import apps
from django.db import connections

from django_mcp import MCPServer, ModelResource

from .depot.server import Guest
from .workshop import models

ALIAS = "abroad"
PATIENCE = 30


class Router:
    """The workshop is abroad."""

    def db_for_read(self, model: Any, **hints: Any) -> str | None:
        return ALIAS if model._meta.app_label == "workshop" else None

    db_for_write = db_for_read


@pytest.fixture
def abroad(postgres: Any, settings: Any, django_db_blocker: Any) -> Iterator[None]:
    """The tables of the workshop in PostgreSQL, with a little in them."""
    entry = {**copy.deepcopy(connections.settings["default"]), **postgres.new_database()}
    connections.settings[ALIAS] = entry
    settings.DATABASE_ROUTERS = [Router()]
    try:
        with django_db_blocker.unblock():
            with connections[ALIAS].schema_editor() as editor:
                for model in apps.get_app_config("workshop").get_models():
                    editor.create_model(model)
            models.Job.objects.create(title="Saw", number=1)
            models.Machine.objects.create(name="drill")
            _close()
            yield
    finally:
        del connections.settings[ALIAS]


def _close() -> None:
    connections[ALIAS].close()
    del connections[ALIAS]


def on_a_thread(work: Any) -> Any:
    """What `work` returns, on a thread and a connection of its own."""

    def run() -> Any:
        try:
            return work()
        finally:
            _close()

    return asyncio.to_thread(run)


class Open(ModelResource):
    """Open to everybody, so that nothing but the workshop is asked."""

    tools = ("get", "create", "update", "delete")
    confirm_delete = False

    def has_view_permission(self, ctx: Any, obj: Any = None) -> bool:
        return True

    def has_add_permission(self, ctx: Any) -> bool:
        return True

    has_change_permission = has_delete_permission = has_view_permission


class Jobs(Open):
    """Jobs, with all that is awkward about them."""

    fields = ("title", "number", "plan", "cost", "bench", "machines", "code")


@pytest.fixture
def guest(abroad: None, server: MCPServer) -> Guest:
    server.expose(models.Job, Jobs)
    return Guest(server)


@pytest.mark.anyio
async def test_everything_happens_where_the_router_says(guest: Guest) -> None:
    row = await guest.call("create_job", title="New", cost="1234567890123456.7891", machines=[1])

    assert row["cost"] == "1234567890123456.7891"
    assert row["machines"] == [{"id": 1, "label": "drill"}]
    assert (await guest.call("update_job", id=row["id"], machines=[]))["machines"] == []
    assert await guest.call("delete_job", id=row["id"]) == {"deleted": True}
    titles = await on_a_thread(lambda: [job.title for job in models.Job.objects.using(ALIAS)])
    assert titles == ["Saw"]


@pytest.mark.anyio
@pytest.mark.parametrize(
    "given",
    [
        {"bench": 2**40},
        {"bench": 2**62},
        {"bench": 2**63},
        {"bench": ["a\0", 1]},
        {"bench": ["a", 2**62]},
        {"bench": ["a", 2**70]},
        {"bench": ["a", "x"]},
        {"machines": [2**40, 2**63, 7]},
        {"number": 2**31},
        {"code": "\0"},
        {"plan": ["\0"]},
        {"cost": "1e20"},
    ],
    ids=str,
)
async def test_what_no_column_holds_is_refused_by_name(guest: Guest, given: dict[str, Any]) -> None:
    (name,) = given

    said = await guest.fail("update_job", id=1, **given)

    assert said.splitlines()[1].startswith((f"- {name}:", f"- {name}[")), said


@pytest.mark.anyio
async def test_who_changes_an_object_waits_for_who_is_changing_it(
    abroad: None, server: MCPServer
) -> None:
    first, go_on = threading.Event(), threading.Event()

    @server.expose(models.Job)
    class Counted(Open):
        fields = ("title", "number")

        def clean_model(self, ctx: Any, obj: Any, *, created: bool) -> None:
            obj.number += 1
            if not first.is_set():
                first.set()
                assert go_on.wait(PATIENCE)

    def somebody_waits() -> bool:
        with connections[ALIAS].cursor() as cursor:
            while True:
                cursor.execute(
                    "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' "
                    "AND datname = current_database()"
                )
                if cursor.fetchone()[0] or ended:
                    return not ended

    ended: list[Any] = []

    async def update(title: str) -> None:
        ended.append(await Guest(server).call("update_job", id=1, title=title))

    async with asyncio.timeout(PATIENCE), asyncio.TaskGroup() as tasks:
        tasks.create_task(update("one"))
        await asyncio.to_thread(first.wait, PATIENCE)
        tasks.create_task(update("two"))
        waited = await on_a_thread(somebody_waits)
        go_on.set()

    assert waited
    assert [row["number"] for row in ended] == [2, 3]
    assert [row["title"] for row in ended] == ["one", "two"]
