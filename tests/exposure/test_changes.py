"""Changes of exposed models become notifications: which, when, and for whom.

A test of a transaction commits by having what waits for the commit called, as Django's TestCase
does. Sentinels show that nothing else came: what is told later comes later.
"""

from __future__ import annotations

import asyncio
import gc
import json
import weakref
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.core.management import call_command
from django.db import transaction
from django.db.models.signals import m2m_changed, post_delete, post_init, post_save

from django_mcp import MCPServer, ModelResource
from django_mcp.exposure import announcing
from django_mcp.exposure.announcing import announcer_of
from django_mcp.server.broker import Change, Message
from tests.conversations.talk import Client
from tests.doors import Stream, envelope

from .depot import models
from .depot.server import Guest, captured_in, user_with

Commit = Callable[[Callable[[], Any]], Awaitable[None]]
FLEET = "depot://vehicles"


class Unhidden(ModelResource):
    """Vehicles that are not hidden; the boss sees all."""

    fields = ("plate", "load", "tags")

    def get_queryset(self, ctx: Any) -> Any:
        found = super().get_queryset(ctx)
        return found if ctx.user.username == "boss" else found.filter(hidden=False)


@pytest.fixture
def users(db: Any) -> dict[str, Any]:
    """The boss, who sees all vehicles, Bob, who sees some, and Eve, who sees none."""
    return {
        "boss": user_with("view_vehicle", "view_truck", name="boss"),
        "bob": user_with("view_vehicle", "view_truck", name="bob"),
        "eve": user_with(name="eve"),
    }


@pytest.fixture
def fleet(db: Any) -> dict[str, models.Vehicle]:
    return {
        "a": models.Vehicle.objects.create(plate="a"),
        "b": models.Vehicle.objects.create(plate="b"),
        "hidden": models.Vehicle.objects.create(plate="hidden", hidden=True),
    }


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """What changes in the moment after another change waits for next to nothing."""
    monkeypatch.setattr(announcing, "PAUSE", 0.001)


@pytest.fixture
def commit(django_capture_on_commit_callbacks: Any) -> Commit:
    """Makes a change in a transaction that is committed."""

    def commit(change: Callable[[], Any]) -> Awaitable[None]:
        def run() -> None:
            with django_capture_on_commit_callbacks(execute=True):
                change()

        return sync_to_async(run)()

    return commit


@pytest.fixture
def said(server: MCPServer) -> list[Message]:
    """Everything that the server tells all of its processes, but what is said of registration."""
    heard: list[Message] = []
    publish = server.broker.publish

    def listen(message: Message) -> None:
        heard.append(message)
        publish(message)

    server.broker.publish = listen  # type: ignore[method-assign]
    return heard


def uri(vehicle: Any) -> str:
    return f"{FLEET}/{vehicle.pk}"


def listening(guest: Guest, *uris: str, **wanted: bool) -> Any:
    """A stream of the revision without sessions."""
    asked = {"resourceSubscriptions": list(uris), **wanted}
    return guest.door.opened(envelope("subscriptions/listen", {"notifications": asked}, id="s"))


async def honoured(stream: Stream) -> list[str]:
    """The URIs that a stream which was just opened follows."""
    found: list[str] = (await stream.message())["params"]["notifications"].get(
        "resourceSubscriptions", []
    )
    return found


async def told(stream: Stream) -> str:
    """What the next notification is about: a URI, or a list."""
    message = await stream.message()
    params: dict[str, str] = message.get("params", {})
    found: str = params.get("uri") or message["method"].removeprefix("notifications/")
    return found


# Who hears


async def test_each_hears_of_what_they_see(
    server: MCPServer, users: Any, fleet: Any, commit: Commit
) -> None:
    server.expose(models.Vehicle, Unhidden)
    uris = [uri(fleet["a"]), uri(fleet["hidden"]), f"{FLEET}/999", f"{FLEET}/0{fleet['a'].pk}"]
    boss, bob = Guest(server, users["boss"]), Guest(server, users["bob"])
    async with listening(boss, *uris) as of_boss, listening(bob, *uris) as of_bob:
        assert await honoured(of_boss) == uris[:2]
        assert await honoured(of_bob) == uris[:1]

        await commit(fleet["hidden"].save)
        await commit(fleet["a"].save)

        assert [await told(of_boss), await told(of_boss)] == [uris[1], uris[0]]
        assert await told(of_bob) == uris[0]


@pytest.mark.parametrize("revision", ["2025-03-26", "2025-11-25"])
async def test_in_a_session_it_is_the_same(
    server: MCPServer, users: Any, fleet: Any, commit: Commit, revision: str
) -> None:
    server.expose(models.Vehicle, Unhidden)
    bob = await Client(Guest(server, users["bob"]).door, revision).begin()

    async def follow(what: str) -> Any:
        reply = await bob.request("resources/subscribe", {"uri": what})
        return reply.json.get("error", {}).get("message", "").replace(what, "…")

    assert await follow(uri(fleet["a"])) == ""
    assert await follow(uri(fleet["b"])) == ""
    hidden = await follow(uri(fleet["hidden"]))
    assert hidden == await follow(f"{FLEET}/999") == await follow("depot://nothing/1") != ""
    async with bob.listening() as stream:
        if revision == "2025-11-25":
            await stream.event()
        changed = "resources/list_changed"

        async def heard_of(change: Callable[[], Any], *expected: str) -> None:
            await commit(change)
            assert {await told(stream) for _ in expected} == set(expected)

        a, b = uri(fleet["a"]), uri(fleet["b"])
        await heard_of(fleet["a"].save, a, changed)
        await heard_of(fleet["hidden"].save, changed)
        fleet["a"].hidden = True
        await heard_of(fleet["a"].save, a, changed)  # It is gone, as far as Bob can see.
        await heard_of(fleet["a"].save, changed)
        await heard_of(fleet["b"].delete, b, changed)


async def test_what_leaves_the_sight_is_told_once_and_what_comes_back_again(
    server: MCPServer, users: Any, fleet: Any, commit: Commit
) -> None:
    server.expose(models.Vehicle, Unhidden)
    a, b = fleet["a"], fleet["b"]

    def show(visible: bool) -> Callable[[], None]:
        def change() -> None:
            a.hidden = not visible
            a.save()

        return change

    async with listening(Guest(server, users["bob"]), uri(a), uri(b)) as stream:
        await honoured(stream)
        await commit(show(False))
        assert await told(stream) == uri(a)
        await commit(a.save)
        await commit(b.save)
        assert await told(stream) == uri(b)
        await commit(show(True))

        assert await told(stream) == uri(a)


async def test_who_followed_what_is_deleted_hears_of_it(
    server: MCPServer, users: Any, fleet: Any, commit: Commit
) -> None:
    server.expose(models.Vehicle, Unhidden)
    a, hidden = uri(fleet["a"]), uri(fleet["hidden"])
    async with (
        listening(Guest(server, users["boss"]), a, hidden) as of_boss,
        listening(Guest(server, users["bob"]), a, hidden) as of_bob,
    ):
        assert len(await honoured(of_boss)) == 2
        assert len(await honoured(of_bob)) == 1

        await commit(fleet["hidden"].delete)
        assert await told(of_boss) == hidden
        await commit(fleet["a"].delete)

        assert await told(of_boss) == a
        assert await told(of_bob) == a


async def test_a_list_changes_for_those_who_may_see_the_model(
    server: MCPServer, users: Any, fleet: Any, commit: Commit
) -> None:
    server.expose(models.Vehicle, Unhidden)
    wanted = {"resourcesListChanged": True, "toolsListChanged": True}
    async with (
        listening(Guest(server, users["bob"]), FLEET, **wanted) as of_bob,
        listening(Guest(server, users["eve"]), FLEET, **wanted) as of_eve,
    ):
        assert await honoured(of_bob) == [FLEET]
        assert await honoured(of_eve) == []

        await commit(lambda: models.Vehicle.objects.create(plate="new"))

        assert {await told(of_bob), await told(of_bob)} == {FLEET, "resources/list_changed"}
        server.notify_tools_changed()
        assert await told(of_eve) == "tools/list_changed"


async def test_many_that_are_followed_take_one_query(
    server: MCPServer, users: Any, fleet: Any, commit: Commit
) -> None:
    server.expose(models.Vehicle, Unhidden)
    many = [models.Vehicle(plate=f"v{n}") for n in range(40)]
    await models.Vehicle.objects.abulk_create(many)
    guest = Guest(server, users["bob"])
    await guest.tools()  # The user's permissions are looked up once.
    async with listening(guest, *map(uri, many)) as stream:
        assert len(await honoured(stream)) == 40

        async def hear() -> None:
            server.notify_resources_under(f"{FLEET}/")
            assert {await told(stream) for _ in many} == {uri(vehicle) for vehicle in many}

        queries = await captured_in(hear())

    assert len([statement for statement in queries if "depot_vehicle" in statement]) == 1


# Transactions


def rolled_back(vehicle: Any) -> None:
    """Save a vehicle for nothing."""
    with transaction.atomic():
        vehicle.save()
        transaction.set_rollback(True)


async def test_what_is_rolled_back_is_not_told(
    server: MCPServer, fleet: Any, commit: Commit, said: list[Message]
) -> None:
    server.expose(models.Vehicle, Unhidden)
    said.clear()

    def change() -> None:
        for _ in range(2):
            rolled_back(fleet["a"])

    await commit(change)
    announcer_of(server).flush()

    assert said == []


async def test_a_savepoint_that_is_rolled_back_takes_only_its_own_with_it(
    server: MCPServer, fleet: Any, commit: Commit, said: list[Message]
) -> None:
    server.expose(models.Vehicle, Unhidden)
    said.clear()

    def change() -> None:
        with transaction.atomic():
            rolled_back(fleet["a"])
            fleet["b"].save()
        rolled_back(fleet["hidden"])

    await commit(change)
    announcer_of(server).flush()

    assert {m.uri for m in said if isinstance(m, Change) and m.kind == "resource"} == {
        uri(fleet["b"]),
        FLEET,
    }


async def test_in_a_transaction_each_is_told_once(
    server: MCPServer, fleet: Any, commit: Commit, said: list[Message]
) -> None:
    server.expose(models.Vehicle, Unhidden)
    said.clear()

    def change() -> None:
        for _ in range(30):
            fleet["a"].save()
            fleet["b"].save()

    await commit(change)

    assert said == [
        Change("resource", uri(fleet["a"])),
        Change("resource", uri(fleet["b"])),
        Change("resource", FLEET),
        Change("resources", FLEET),
    ]


async def test_too_many_to_be_named_are_told_of_together(
    server: MCPServer, users: Any, fleet: Any, commit: Commit, said: list[Message]
) -> None:
    server.expose(models.Vehicle, Unhidden)
    said.clear()
    a = uri(fleet["a"])

    def change() -> None:
        for number in range(announcing.MANY + 1):
            models.Vehicle.objects.create(plate=f"v{number}")

    async with listening(Guest(server, users["bob"]), a, FLEET, "depot://else") as stream:
        assert await honoured(stream) == [a, FLEET]
        await commit(change)

        assert {await told(stream), await told(stream)} == {a, FLEET}
    assert said == [
        Change("under", f"{FLEET}/"),
        Change("resource", FLEET),
        Change("resources", FLEET),
    ]


async def test_of_many_transactions_the_first_is_told_at_once_and_the_rest_together(
    server: MCPServer,
    fleet: Any,
    commit: Commit,
    said: list[Message],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(announcing, "PAUSE", 3600)
    server.expose(models.Vehicle, Unhidden)
    said.clear()

    for _ in range(10):
        await commit(fleet["a"].save)
    first = said.copy()
    await server.shutdown()

    every = [Change("resource", uri(fleet["a"])), Change("resource", FLEET)]
    assert first == [*every, Change("resources", FLEET)]
    assert said[len(first) :] == first


async def test_the_last_of_many_is_never_lost(
    server: MCPServer, users: Any, fleet: Any, commit: Commit
) -> None:
    server.expose(models.Vehicle, Unhidden)
    async with listening(Guest(server, users["bob"]), uri(fleet["b"])) as stream:
        await honoured(stream)
        for _ in range(5):
            await commit(fleet["a"].save)
        await commit(fleet["b"].save)

        assert await told(stream) == uri(fleet["b"])


# What is told of what


def kinds(said: list[Message]) -> set[tuple[str, str | None]]:
    """What was said, but of the collection, which is told of with everything."""
    return {(m.kind, m.uri) for m in said if isinstance(m, Change)} - {("resource", FLEET)}


async def test_an_update_moves_nobody_where_all_see_everything(
    server: MCPServer, fleet: Any, commit: Commit, said: list[Message]
) -> None:
    server.expose(models.Vehicle, fields=["load"])
    said.clear()

    await commit(fleet["a"].save)
    assert kinds(said) == {("resource", uri(fleet["a"]))}
    said.clear()
    await commit(lambda: models.Vehicle.objects.create(plate="c"))
    announcer_of(server).flush()
    assert ("resources", FLEET) in kinds(said)


async def test_what_is_not_listed_changes_no_list(
    server: MCPServer, fleet: Any, commit: Commit, said: list[Message]
) -> None:
    server.expose(models.Vehicle, Unhidden, listed=False)
    said.clear()

    await commit(fleet["a"].delete)

    assert not [message for message in said if message == Change("resources", FLEET)]
    assert Change("resource", FLEET) in said


@pytest.mark.parametrize(
    ("fields", "is_told"),
    [(["odometer"], False), (["hidden", "odometer"], False), (["load"], True), (None, True)],
)
async def test_what_nobody_sees_is_not_told(
    server: MCPServer,
    fleet: Any,
    commit: Commit,
    said: list[Message],
    fields: Any,
    is_told: bool,
) -> None:
    server.expose(models.Vehicle, fields=["load"])
    said.clear()

    await commit(lambda: fleet["a"].save(update_fields=fields))

    assert bool(said) is is_told


async def test_many_to_many_relations_change_both_ends(
    server: MCPServer, fleet: Any, commit: Commit, said: list[Message]
) -> None:
    server.expose(models.Vehicle, Unhidden)
    a, b = fleet["a"], fleet["b"]
    red = await models.Tag.objects.acreate(word="red")
    moved = ("resources", FLEET)

    async def of(change: Callable[[], Any]) -> Any:
        announcer_of(server).flush()
        said.clear()
        await commit(change)
        announcer_of(server).flush()
        return kinds(said) - {moved}

    assert await of(lambda: a.tags.add(red)) == {("resource", uri(a))}
    assert await of(lambda: a.tags.add(red)) == set()
    assert await of(lambda: red.vehicle_set.add(b)) == {("resource", uri(b))}
    assert await of(lambda: red.vehicle_set.remove(a)) == {("resource", uri(a))}
    assert await of(lambda: b.tags.clear()) == {("resource", uri(b))}
    assert await of(lambda: red.vehicle_set.clear()) == {("under", f"{FLEET}/")}


async def test_heirs_and_other_names_of_a_model_change_it(
    server: MCPServer, commit: Commit, said: list[Message], db: Any
) -> None:
    truck = await models.Truck.objects.acreate(plate="t")
    trucks = f"depot://trucks/{truck.pk}"
    server.expose(models.Vehicle, Unhidden)
    server.expose(models.Truck, fields=["load", "axles"])

    async def of(change: Callable[[], Any]) -> set[str | None]:
        announcer_of(server).flush()
        said.clear()
        await commit(change)
        announcer_of(server).flush()
        return {m.uri for m in said if isinstance(m, Change) and m.kind == "resource"}

    both = {uri(truck), FLEET, trucks, "depot://trucks"}
    assert await of(truck.save) == both
    assert await of((await models.Vehicle.objects.aget()).save) == both
    assert await of((await models.OldVehicle.objects.aget()).save) == {uri(truck), FLEET}
    assert await of(truck.delete) == both


async def test_by_a_name_that_changes_an_object_is_known_by_both(
    server: MCPServer, users: Any, fleet: Any, commit: Commit
) -> None:
    server.expose(models.Vehicle, fields=["load"], lookup_field="plate")

    def rename() -> None:
        vehicle = models.Vehicle.objects.get(plate="a")
        vehicle.plate = "z"
        vehicle.save()

    async with listening(Guest(server, users["bob"]), f"{FLEET}/a", f"{FLEET}/b") as stream:
        await honoured(stream)
        await commit(rename)
        assert await told(stream) == f"{FLEET}/a"

        # Loaded without its name, any may be the one that changed.
        await commit(lambda: models.Vehicle.objects.only("load").get(pk=fleet["b"].pk).save())
        assert await told(stream) == f"{FLEET}/b"


async def test_by_a_name_that_changes_every_server_knows_both(
    server: MCPServer, users: Any, fleet: Any, commit: Commit
) -> None:
    other = MCPServer("other")
    for each in (server, other):
        each.expose(models.Vehicle, fields=["load"], lookup_field="plate")

    def rename() -> None:
        vehicle = models.Vehicle.objects.get(plate="a")
        vehicle.plate = "z"
        vehicle.save()

    async with (
        listening(Guest(server, users["bob"]), f"{FLEET}/a") as stream,
        listening(Guest(other, users["bob"]), f"{FLEET}/a") as beside,
    ):
        await honoured(stream)
        await honoured(beside)
        await commit(rename)
        assert await told(stream) == await told(beside) == f"{FLEET}/a"


async def test_what_a_fixture_loads_is_told(
    server: MCPServer, fleet: Any, commit: Commit, said: list[Message], tmp_path: Path
) -> None:
    server.expose(models.Vehicle, Unhidden)
    said.clear()
    row = {"plate": "f", "changed": "2026-01-01T00:00:00Z"}
    file = tmp_path / "fleet.json"
    file.write_text(json.dumps([{"model": "depot.vehicle", "pk": 70, "fields": row}]))

    await commit(lambda: call_command("loaddata", str(file), verbosity=0))

    assert kinds(said) == {("under", f"{FLEET}/"), ("resources", FLEET)}


async def test_what_sends_no_signals_is_told_by_hand(
    server: MCPServer, fleet: Any, commit: Commit, said: list[Message]
) -> None:
    server.expose(models.Vehicle, Unhidden)
    everything = {("under", f"{FLEET}/"), ("resources", FLEET)}
    a, b = fleet["a"], fleet["b"]

    async def of(what: Any) -> Any:
        announcer_of(server).flush()
        said.clear()

        def change() -> None:
            server.notify_changed(what)
            assert said == []

        await commit(change)
        announcer_of(server).flush()
        return kinds(said)

    assert await of(models.Vehicle) == everything
    assert await of(models.OldVehicle) == everything
    assert await of(models.Vehicle.objects.filter(load=3)) == everything
    assert await of([a, b]) == {("resource", uri(a)), ("resource", uri(b)), ("resources", FLEET)}
    assert await of(a) == {("resource", uri(a)), ("resources", FLEET)}
    assert await of(models.Tag) == await of([models.Tag(pk=1)]) == set()
    with pytest.raises(TypeError, match="not 'books'"):
        server.notify_changed(["books"])


# What it costs those that are not exposed


async def test_models_that_are_not_exposed_are_left_alone(server: MCPServer) -> None:
    signals = (post_init, post_save, post_delete, m2m_changed)
    gc.collect()  # Servers of other tests hear of their models until they are gone.
    before = [signal.has_listeners(models.Passport) for signal in signals]
    by_a_name = post_init.has_listeners(models.Vehicle)
    server.expose(models.Vehicle, Unhidden)

    assert [signal.has_listeners(models.Passport) for signal in signals] == before
    assert post_init.has_listeners(models.Vehicle) == by_a_name  # Known by its key, it needs none.
    assert post_save.has_listeners(models.Vehicle)
    assert post_delete.has_listeners(models.Vehicle)
    assert m2m_changed.has_listeners(models.Vehicle.tags.through)


def test_nothing_keeps_a_server_that_is_gone() -> None:
    server = MCPServer("short")
    server.expose(models.Vehicle, Unhidden)
    gone = weakref.ref(server)
    del server
    gc.collect()

    assert gone() is None


def test_what_waits_when_the_process_ends_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(announcing, "PAUSE", 3600)
    heard: list[Change] = []
    announcer = announcing.Announcer(heard.append)
    announcer.tell(announcing.News("x://a", ["x://a/1"]))
    announcer.tell(announcing.News("x://a", ["x://a/2"]))
    announcer.tell(announcing.News("x://a", ["x://a/2"]))
    assert len(heard) == 2

    announcer.flush()

    assert heard[2:] == [Change("resource", "x://a/2"), Change("resource", "x://a")]


async def test_many_transactions_at_once_are_told_together(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(announcing, "PAUSE", 3600)
    heard: list[Change] = []
    announcer = announcing.Announcer(heard.append)

    await asyncio.gather(
        *(
            asyncio.to_thread(announcer.tell, announcing.News("x://a", [f"x://a/{n}"], listed=True))
            for n in range(announcing.MANY + 2)
        )
    )
    assert len(heard) == 3
    announcer.flush()

    assert heard[3:] == [
        Change("under", "x://a/"),
        Change("resource", "x://a"),
        Change("resources", "x://a"),
    ]
