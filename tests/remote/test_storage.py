"""Tokens in the database: encrypted, renewed once, and never overwritten by who comes late."""

from __future__ import annotations

import logging
from datetime import timedelta
from io import StringIO
from typing import Any

import anyio
import httpx
import pytest
from asgiref.sync import sync_to_async
from django.contrib.auth import get_user_model
from django.core import serializers
from django.core.management import call_command
from django.utils import timezone

from django_mcp.client.auth import ClientInformation, Tokens
from django_mcp.remote.authorizing import UserAuth
from django_mcp.remote.errors import NotConnected
from django_mcp.remote.models import Connection, Registration, RemoteServer, Secrets
from django_mcp.remote.storage import Storage, digest_of, tokens_in
from tests.client.auth.test_concurrency import Gate
from tests.client.auth.world import ISSUER, SERVER, World

TOKEN = f"{ISSUER}/token"
CLIENT = ClientInformation(
    issuer=ISSUER,
    client_id="c1",
    client_secret="CS-1",
    token_endpoint_auth_method="client_secret_post",
)


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def server() -> RemoteServer:
    return RemoteServer.objects.create(
        name="mcp", url=SERVER, authorization=RemoteServer.Authorization.USER
    )


@pytest.fixture
def user() -> Any:
    return get_user_model().objects.create_user("anna")


async def connected(server: RemoteServer, user: Any, tokens: Tokens) -> Storage:
    """What an authorization has left, and a storage that uses it."""
    storage = Storage(server, user.pk, client=digest_of(ISSUER, CLIENT.client_id))
    await storage.set_client(ISSUER, CLIENT)
    await storage.set_tokens(SERVER, tokens)
    return Storage(server, user.pk)


def requests(world: World, server: RemoteServer, user: Any) -> httpx.AsyncClient:
    """The requests of one process."""
    return world.http(auth=UserAuth(server, user.pk, http=world.http()))


# ------------------------------------------------------------------------------------- renewing


async def test_of_two_processes_one_renews(
    world: World, server: RemoteServer, user: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    await connected(server, user, world.stored("read"))
    world.valid.clear()
    gate = world.answers[TOKEN] = Gate(world)
    statuses: list[int] = []
    take, looks = Storage._take, []
    monkeypatch.setattr(Storage, "_take", lambda storage: looks.append(1) or take(storage))

    async def process() -> None:
        async with requests(world, server, user) as http:
            statuses.append((await http.post(SERVER)).status_code)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(process)
        await gate.reached.wait()
        tasks.start_soon(process)
        while len(looks) < 3:  # The first has its turn, and the second waits for it.
            await anyio.lowlevel.checkpoint()
        gate.open.set()

    kept = await Storage(server, user.pk).get_tokens(SERVER)
    assert statuses == [200, 200]
    assert [form["grant_type"] for form in world.forms] == ["refresh_token"]
    assert kept is not None
    assert set(world.valid) == {kept.access_token}
    assert set(world.refresh_tokens) == {kept.refresh_token}
    assert await Connection.objects.filter(turn_until=None).acount() == 1


async def test_the_turn_of_a_process_that_is_gone_ends(
    world: World, server: RemoteServer, user: Any
) -> None:
    await connected(server, user, world.stored("read"))
    world.valid.clear()
    await Connection.objects.aupdate(turn_until=timezone.now() - timedelta(seconds=1))

    async with requests(world, server, user) as http:
        assert (await http.post(SERVER)).status_code == 200


async def test_a_process_that_is_late_overwrites_nothing(
    world: World, server: RemoteServer, user: Any
) -> None:
    late = await connected(server, user, world.stored("read"))
    early = Storage(server, user.pk)
    await late.get_tokens(SERVER)
    await early.get_tokens(SERVER)
    renewed = world.stored("read")
    await early.set_tokens(SERVER, renewed)
    await late.set_tokens(SERVER, world.stored("read"))

    assert await late.get_tokens(SERVER) == renewed


async def test_what_a_user_has_ended_does_not_come_back(
    world: World, server: RemoteServer, user: Any
) -> None:
    await connected(server, user, world.stored("read"))
    world.valid.clear()
    gate = world.answers[TOKEN] = Gate(world)

    async with requests(world, server, user) as http, anyio.create_task_group() as tasks:
        tasks.start_soon(http.post, SERVER)
        await gate.reached.wait()
        await Connection.objects.all().adelete()
        gate.open.set()

    assert not await Connection.objects.aexists()


async def test_who_only_uses_tokens_connects_nobody(
    world: World, server: RemoteServer, user: Any
) -> None:
    storage = await connected(server, user, world.stored("read"))
    await storage.get_tokens(SERVER)
    await Connection.objects.all().adelete()
    await storage.set_tokens(SERVER, world.stored("read"))
    await storage.set_tokens(SERVER, world.stored("read"))
    await Storage(server, user.pk).set_tokens(SERVER, world.stored("read"))

    assert not await Connection.objects.aexists()


async def test_what_a_user_has_just_agreed_to_is_kept_whoever_renews(
    world: World, server: RemoteServer, user: Any
) -> None:
    await connected(server, user, world.stored("read"))
    world.valid.clear()
    gate = world.answers[TOKEN] = Gate(world)
    agreed = world.stored("read", "write")

    async with requests(world, server, user) as http, anyio.create_task_group() as tasks:
        tasks.start_soon(http.post, SERVER)
        await gate.reached.wait()
        storage = await connected(server, user, agreed)
        gate.open.set()

    assert await storage.get_tokens(SERVER) == agreed


async def test_who_cannot_be_renewed_has_to_connect_again(
    world: World, server: RemoteServer, user: Any
) -> None:
    await connected(server, user, world.stored("read"))
    world.valid.clear()
    world.refresh_tokens.clear()

    async with requests(world, server, user) as http:
        with pytest.raises(NotConnected) as told:
            await http.post(SERVER)

    assert told.value.url == "/remote/mcp/connect/"
    assert world.visits == []


async def test_users_are_renewed_with_the_registration_they_connected_with(
    world: World, server: RemoteServer, user: Any
) -> None:
    await connected(server, user, world.stored("read"))
    newest = CLIENT.model_copy(update={"client_id": "c2"})
    await Storage(server, user.pk).set_client(ISSUER, newest)
    world.valid.clear()

    async with requests(world, server, user) as http:
        await http.post(SERVER)

    assert [form["client_id"] for form in world.forms] == ["c1"]
    assert await Storage(server, user.pk, begins=True).get_client(ISSUER) == newest


async def test_a_registration_that_is_not_known_any_more_is_forgotten(
    server: RemoteServer, user: Any
) -> None:
    storage = Storage(server, user.pk, begins=True)
    await storage.set_client(ISSUER, CLIENT)
    await storage.set_client(ISSUER, None)

    assert await storage.get_client(ISSUER) is None
    assert await storage.get_client("https://other.example") is None


@pytest.mark.parametrize(
    "fields",
    [
        {"granted_scopes": ("a\x00b", "x" * 10_000)},
        {"expires_at": 1e300},
        {"expires_at": float("nan")},
    ],
)
async def test_odd_answers_of_a_token_endpoint_are_kept(
    world: World, server: RemoteServer, user: Any, fields: dict[str, Any]
) -> None:
    storage = await connected(server, user, world.stored("read").model_copy(update=fields))

    kept = await storage.get_tokens(SERVER)
    assert kept is not None
    assert kept.access_token in world.valid


async def test_tokens_are_for_the_url_they_were_got_for(
    world: World, server: RemoteServer, user: Any
) -> None:
    storage = await connected(server, user, world.stored("read"))

    assert await storage.get_tokens("https://evil.example/mcp") is None
    assert await storage.get_tokens(SERVER) is not None


# ------------------------------------------------------------------------------------- at rest


async def test_nothing_in_the_database_can_be_read(
    world: World, server: RemoteServer, user: Any
) -> None:
    tokens = world.stored("read")
    await connected(server, user, tokens)
    server.keep(Secrets(headers={"X-Key": "H-1"}, token="T-1", client_secret="CS-2"))
    await server.asave()

    dump = await sync_to_async(dumped)()
    for secret in (tokens.access_token, tokens.refresh_token, "CS-1", "H-1", "T-1", "CS-2"):
        assert secret not in dump
    for shown in (server, server.secrets, tokens, Storage(server, user.pk)):
        assert not {"H-1", "T-1", "CS-2"} & set(repr(shown).replace("'", " ").split())


def dumped() -> str:
    """What `dumpdata` writes."""
    models = (RemoteServer, Registration, Connection)
    return "".join(serializers.serialize("json", model.objects.all()) for model in models)


async def test_a_key_is_rotated_with_its_fallback_and_then_without(
    world: World, server: RemoteServer, user: Any, settings: Any
) -> None:
    tokens = world.stored("read")
    storage = await connected(server, user, tokens)
    server.keep(Secrets(token="T-1"))
    await server.asave()

    settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY]
    settings.SECRET_KEY = "another key, which is as long as the one before it was and as random"
    assert await storage.get_tokens(SERVER) == tokens
    assert server.secrets.token == "T-1"

    said = StringIO()
    await sync_to_async(call_command)("mcp_remote_rotate", stdout=said)
    settings.SECRET_KEY_FALLBACKS = []
    await server.arefresh_from_db()
    assert said.getvalue() == "3 encrypted with SECRET_KEY.\n"
    assert await storage.get_tokens(SERVER) == tokens
    assert await storage.get_client(ISSUER) == CLIENT
    assert server.secrets.token == "T-1"


async def test_what_no_key_opens_counts_as_not_there(
    world: World,
    server: RemoteServer,
    user: Any,
    settings: Any,
    caplog: pytest.LogCaptureFixture,
) -> None:
    tokens = world.stored("read")
    storage = await connected(server, user, tokens)
    row = await Connection.objects.aget()
    settings.SECRET_KEY = "another key, which is as long as the one before it was and as random"

    with caplog.at_level(logging.DEBUG, "django_mcp.remote"):
        assert await storage.get_tokens(SERVER) is None
        assert await storage.get_client(ISSUER) is None
    assert caplog.messages[0] == (
        f"What is sealed in the connection {row.pk} cannot be opened, and counts as not there."
    )
    said, complained = StringIO(), StringIO()
    rotate = sync_to_async(call_command)
    await rotate("mcp_remote_rotate", stdout=said, stderr=complained)
    assert said.getvalue() == "0 encrypted with SECRET_KEY.\n"
    assert complained.getvalue().startswith("2 cannot be opened")
    # After the next authorization everything is as it was.
    assert await (await connected(server, user, tokens)).get_tokens(SERVER) == tokens


@pytest.mark.parametrize("sealed", ["", "x", "é", "gAAAAA" + "A" * 100])
async def test_what_is_no_sealed_text_counts_as_not_there(
    world: World, server: RemoteServer, user: Any, sealed: str
) -> None:
    storage = await connected(server, user, world.stored("read"))
    await Connection.objects.aupdate(sealed=sealed)

    assert await storage.get_tokens(SERVER) is None


async def test_tokens_of_one_user_are_of_no_use_in_the_row_of_another(
    world: World, server: RemoteServer, user: Any
) -> None:
    await connected(server, user, world.stored("read"))
    other = await get_user_model().objects.acreate(username="ben")
    storage = await connected(server, other, world.stored("read"))
    stolen = await Connection.objects.aget(user=user)
    await Connection.objects.filter(user=other).aupdate(sealed=stolen.sealed)

    assert await storage.get_tokens(SERVER) is None
    assert tokens_in(stolen) is not None


def test_secrets_of_a_server_go_to_its_host_alone(server: RemoteServer) -> None:
    server.keep(Secrets(headers={"X-Key": "H-1"}, client_secret="CS-2"))
    server.url = "https://mcp.example/other"
    assert server.secrets.client_secret == "CS-2"

    server.issuer = "https://evil.example"
    assert server.secrets == Secrets()
    server.issuer, server.url = "", "https://evil.example/mcp"
    assert server.secrets == Secrets()
