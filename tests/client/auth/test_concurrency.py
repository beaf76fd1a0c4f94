"""Many requests at once: what they need is got once, and nobody takes another one along."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
import httpx
import pytest

from django_mcp.client.auth import (
    AuthorizationRefused,
    AuthorizationResponse,
    Handlers,
    MemoryStorage,
    Visit,
)
from django_mcp.client.auth.single_flight import SingleFlight

from .test_oauth import storage_with
from .world import ISSUER, REDIRECT_URI, SERVER, World, oauth

TOKEN = f"{ISSUER}/token"


class Gate:
    """An answer of the world's that is held back until the test lets it go."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.reached = anyio.Event()
        self.open = anyio.Event()

    async def __call__(self, request: httpx.Request) -> httpx.Response:
        self.reached.set()
        await self.open.wait()
        return self._world.token(request)


@pytest.fixture
def world() -> World:
    return World()


async def arrived(world: World, count: int) -> None:
    """Wait until the server has refused `count` requests."""
    while len(world.sent) < count:
        await anyio.lowlevel.checkpoint()


async def test_twenty_requests_renew_the_token_once(world: World) -> None:
    storage = await storage_with(world, "read")
    world.valid.clear()
    gate = world.answers[TOKEN] = Gate(world)
    statuses: list[int] = []

    async with world.http(auth=oauth(world, storage=storage)) as client:

        async def post() -> None:
            statuses.append((await client.post(SERVER)).status_code)

        async with anyio.create_task_group() as tasks:
            for _ in range(20):
                tasks.start_soon(post)
            await gate.reached.wait()
            await arrived(world, 20)
            gate.open.set()

    assert statuses == [200] * 20
    assert len(world.forms) == 1
    assert world.log.count(f"GET {ISSUER}/.well-known/oauth-authorization-server") == 1


async def test_twenty_requests_ask_the_user_once(world: World) -> None:
    async with world.http(auth=oauth(world)) as client, anyio.create_task_group() as tasks:
        for _ in range(20):
            tasks.start_soon(client.post, SERVER)

    assert len(world.visits) == 1
    assert len(world.registrations) == 1


async def test_a_request_that_comes_late_uses_what_the_others_got(world: World) -> None:
    storage = await storage_with(world, "read")
    world.valid.clear()
    held, release = anyio.Event(), anyio.Event()

    async def slow(request: httpx.Request) -> httpx.Response:
        if request.headers.get("x-slow"):
            response = world.serve(request)
            if response.status_code == 401:
                held.set()
                await release.wait()
            return response
        return world.serve(request)

    world.answers[SERVER] = slow

    async with world.http(auth=oauth(world, storage=storage)) as client:

        async def late() -> None:
            response = await client.post(SERVER, headers={"x-slow": "1"})
            assert response.status_code == 200

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(late)
            await held.wait()
            await client.post(SERVER)
            release.set()

    assert len(world.forms) == 1


@pytest.mark.parametrize("way", ["anyio", "asyncio"])
async def test_a_request_that_is_cancelled_takes_no_other_one_along(world: World, way: str) -> None:
    storage = await storage_with(world, "read")
    world.valid.clear()
    gate = world.answers[TOKEN] = Gate(world)
    statuses: list[int] = []

    async with world.http(auth=oauth(world, storage=storage)) as client:

        async def post() -> None:
            statuses.append((await client.post(SERVER)).status_code)

        async with anyio.create_task_group() as tasks:
            scope = anyio.CancelScope()
            first = asyncio.ensure_future(_within(scope, client))
            await gate.reached.wait()
            tasks.start_soon(post)
            await arrived(world, 2)
            if way == "anyio":
                scope.cancel()
            else:
                first.cancel()
            await asyncio.wait([first])
            gate.open.set()

    assert statuses == [200]
    assert len(world.forms) == 1


async def _within(scope: anyio.CancelScope, client: httpx.AsyncClient) -> None:
    with scope:
        await client.post(SERVER)


async def test_a_renewal_nobody_waits_for_any_longer_is_kept(world: World) -> None:
    storage = await storage_with(world, "read")
    world.valid.clear()
    gate = world.answers[TOKEN] = Gate(world)

    async with world.http(auth=oauth(world, storage=storage)) as client:
        request = asyncio.ensure_future(client.post(SERVER))
        await gate.reached.wait()
        request.cancel()
        await asyncio.wait([request])
        gate.open.set()
        response = await client.post(SERVER)

    assert response.status_code == 200
    assert len(world.forms) == 1


async def test_requests_for_different_scopes_each_get_theirs(world: World) -> None:
    world.required = set()
    storage = await storage_with(world, "read")

    async with world.http(auth=oauth(world, storage=storage)) as client:

        async def want(scope: str) -> None:
            response = await client.post(SERVER, headers={"x-wants": scope})
            assert response.status_code == 200

        async with anyio.create_task_group() as tasks:
            for scope in ("write", "delete", "write"):
                tasks.start_soon(want, scope)

    assert len(world.visits) == 2
    # Each was refused once and then served: nobody tried with what was got for another one's.
    assert len(world.sent) == 6
    assert set(world.visits[-1]["scope"].split()) == {"read", "write", "delete"}


async def test_a_refusal_is_told_to_everybody_who_waits(world: World) -> None:
    asked = anyio.Event()

    async def redirect(url: str) -> None:
        world.authorize(url)
        asked.set()

    async def callback() -> AuthorizationResponse:
        await arrived(world, 3)
        state = world.visits[-1]["state"]
        return AuthorizationResponse(error="access_denied", state=state, iss=ISSUER)

    refused: list[str] = []
    auth = oauth(world, interaction=Handlers(REDIRECT_URI, redirect, callback))

    async with world.http(auth=auth) as client:

        async def post() -> None:
            with pytest.raises(AuthorizationRefused):
                await client.post(SERVER)
            refused.append("told")

        async with anyio.create_task_group() as tasks:
            for _ in range(3):
                tasks.start_soon(post)

    assert refused == ["told"] * 3
    assert len(world.visits) == 1


async def test_one_object_serves_one_event_loop_after_another(world: World) -> None:
    auth = oauth(world, storage=MemoryStorage())

    def one_request() -> int:
        async def post() -> int:
            async with world.http(auth=auth) as client:
                return (await client.post(SERVER)).status_code

        return asyncio.run(post())

    assert [await asyncio.to_thread(one_request) for _ in range(2)] == [200, 200]
    assert len(world.visits) == 1


async def test_nothing_is_held_while_a_request_is_under_way(world: World) -> None:
    storage = await storage_with(world, "read")
    opened, end = anyio.Event(), anyio.Event()

    async def listening(request: httpx.Request) -> httpx.Response:
        if request.method == "GET":
            opened.set()
            await end.wait()
        return world.serve(request)

    world.answers[SERVER] = listening

    async with (
        world.http(auth=oauth(world, storage=storage)) as client,
        anyio.create_task_group() as tasks,
    ):
        tasks.start_soon(client.get, SERVER)
        await opened.wait()
        assert (await client.post(SERVER)).status_code == 200
        end.set()


async def test_a_user_may_cause_requests_while_he_is_asked(world: World) -> None:
    """What waits for the user may itself use the client for something else."""
    world.answers["https://mcp.example/open"] = _open

    class Asking:
        @asynccontextmanager
        async def visit(self) -> AsyncIterator[Visit]:
            yield self

        redirect_uri = REDIRECT_URI

        async def authorize(self, url: str) -> AuthorizationResponse:
            assert (await client.get("https://mcp.example/open")).status_code == 200
            return AuthorizationResponse.from_url(world.authorize(url))

    async with world.http(auth=oauth(world, interaction=Asking())) as client:
        assert (await client.post(SERVER)).status_code == 200


async def _open(request: httpx.Request) -> httpx.Response:
    return httpx.Response(200)


async def test_a_failure_is_told_to_all_and_the_next_one_begins_anew() -> None:
    flight: SingleFlight[int] = SingleFlight()
    go = anyio.Event()
    runs = 0

    async def fail() -> int:
        nonlocal runs
        runs += 1
        await go.wait()
        raise ValueError("no")

    async def succeed() -> int:
        return 5

    waiting = [asyncio.ensure_future(flight.run(fail)) for _ in range(3)]
    while not runs:
        await anyio.lowlevel.checkpoint()
    go.set()
    results = await asyncio.gather(*waiting, return_exceptions=True)

    assert [type(each) for each in results] == [ValueError] * 3
    assert runs == 1
    assert await flight.run(succeed) == (5, True)


async def test_a_failure_nobody_waits_for_any_longer_is_nobodys_business() -> None:
    flight: SingleFlight[int] = SingleFlight()
    go, reached = anyio.Event(), anyio.Event()
    reported: list[dict[str, object]] = []
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, context: reported.append(context))

    async def fail() -> int:
        reached.set()
        await go.wait()
        raise ValueError("no")

    waiting = asyncio.ensure_future(flight.run(fail))
    await reached.wait()
    waiting.cancel()
    await asyncio.wait([waiting])
    go.set()
    while flight._flights:
        await anyio.lowlevel.checkpoint()
    del waiting
    gc.collect()
    loop.set_exception_handler(None)

    assert not reported


class InTurns(MemoryStorage):
    """A storage that processes share, of which one renews at a time."""

    def __init__(self) -> None:
        super().__init__()
        self.lock = anyio.Lock()
        self.waiting = 0

    @asynccontextmanager
    async def turn(self, server_url: str) -> AsyncIterator[None]:
        self.waiting += 1
        async with self.lock:
            yield


async def test_of_two_processes_with_a_storage_that_has_turns_one_renews(world: World) -> None:
    storage = InTurns()
    await storage.set_client(ISSUER, (await (await storage_with(world)).get_client(ISSUER)))
    await storage.set_tokens(SERVER, world.stored("read"))
    world.valid.clear()
    gate = world.answers[TOKEN] = Gate(world)
    statuses: list[int] = []

    async def process() -> None:
        async with world.http(auth=oauth(world, storage=storage)) as client:
            statuses.append((await client.post(SERVER)).status_code)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(process)
        tasks.start_soon(process)
        while storage.waiting < 2:
            await anyio.lowlevel.checkpoint()
        await gate.reached.wait()
        gate.open.set()

    assert statuses == [200, 200]
    assert [form["grant_type"] for form in world.forms] == ["refresh_token"]
    assert world.visits == []
