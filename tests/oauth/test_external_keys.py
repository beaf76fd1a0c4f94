"""The keys of an identity provider: where they are looked for, how often, and what goes wrong."""

from __future__ import annotations

import json
import logging
import socket
import ssl
import threading
from pathlib import Path
from typing import Any

import anyio
import pytest
from asgiref.sync import async_to_sync, sync_to_async

from django_mcp.oauth.external import asking, keys
from django_mcp.oauth.linking import link
from tests.oauth.conftest import Clock, Door
from tests.oauth.identity_provider import (
    KEYS,
    METADATA,
    WRONG,
    Handler,
    IdentityProvider,
    identity_provider,
    public_jwk,
    redirecting,
    saying,
    slow,
)
from tests.oauth.people import Person
from tests.oauth.test_client_documents import certificate
from tests.oauth.test_tokens import refused


@pytest.fixture(autouse=True)
def linked(idp: IdentityProvider, anna: Person, trusting: Any) -> Person:
    """anna, whom the provider calls f3c1."""
    trusting()
    link(idp.issuer, "f3c1", anna.user)
    return anna


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch, keys)


async def test_keys_are_fetched_once(door: Door, idp: IdentityProvider) -> None:
    for _ in range(3):
        assert (await door.calling(idp.token(), "look")).status == 200

    assert (idp.asked[METADATA], idp.asked[KEYS]) == (1, 1)


async def test_what_is_no_token_of_the_provider_has_nothing_fetched(
    door: Door, idp: IdentityProvider
) -> None:
    for token in ("x", "a.b.c", "mcp_at_x", idp.token(iss="https://elsewhere.example")):
        refused(await door.calling(token, "look"))

    assert not idp.asked


async def test_a_new_key_is_found_when_a_token_names_it(
    door: Door, idp: IdentityProvider, clock: Clock
) -> None:
    await door.calling(idp.token(), "look")
    idp.keys = [public_jwk("rsa2")]

    refused(await door.calling(idp.token("rsa2"), "look"))
    clock.passes(keys.COOLDOWN)
    assert (await door.calling(idp.token("rsa2"), "look")).status == 200
    refused(await door.calling(idp.token("rsa"), "look"))


async def test_a_key_that_was_withdrawn_is_forgotten(
    door: Door, idp: IdentityProvider, clock: Clock
) -> None:
    token = idp.token()
    await door.calling(token, "look")
    idp.keys = [public_jwk("rsa2")]
    clock.passes(keys.FRESH)

    refused(await door.calling(token, "look"))


# 92: a flood of unknown `kid`


def nobody_else_is_asked(settings: Any) -> None:
    """By threads of their own: they would look into a database that they do not share."""
    asked = {"VERIFIERS": ["django_mcp.oauth.external.verify"]}
    settings.DJANGO_MCP_OAUTH = {**settings.DJANGO_MCP_OAUTH, **asked}


@pytest.mark.parametrize("there", [False, True], ids=["no keys yet", "keys that are there"])
def test_of_thirty_at_once_with_an_unknown_key_one_has_the_keys_fetched(
    door: Door, idp: IdentityProvider, settings: Any, clock: Clock, there: bool
) -> None:
    nobody_else_is_asked(settings)
    if there:
        async_to_sync(door.calling)(idp.token(), "look")
        clock.passes(keys.COOLDOWN)
    token = idp.token(headers={"kid": "unknown"})
    ready = threading.Barrier(30)
    seen: list[int] = []

    def call() -> None:
        ready.wait(30)
        seen.append(async_to_sync(door.calling)(token, "look").status)

    threads = [threading.Thread(target=call) for _ in range(30)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)

    assert seen == [401] * 30
    assert idp.asked[KEYS] == (2 if there else 1)


async def test_a_flood_of_unknown_keys_has_them_fetched_once_in_a_while(
    door: Door, idp: IdentityProvider, clock: Clock
) -> None:
    for number in range(20):
        refused(await door.calling(idp.token(headers={"kid": f"k{number}"}), "look"))
    assert idp.asked[KEYS] == 1

    clock.passes(keys.COOLDOWN)
    for number in range(20):
        refused(await door.calling(idp.token(headers={"kid": f"k{number}"}), "look"))
    assert idp.asked[KEYS] == 2
    assert (await door.calling(idp.token(), "look")).status == 200


def test_while_keys_are_fetched_those_that_are_there_are_used(
    door: Door,
    idp: IdentityProvider,
    settings: Any,
    clock: Clock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(asking, "DEADLINE", 60)
    nobody_else_is_asked(settings)
    call = async_to_sync(door.calling)
    assert call(idp.token(), "look").status == 200
    clock.passes(keys.FRESH)
    asked = threading.Event()

    def waiting(handler: Handler) -> None:
        asked.set()
        handler.idp.over.wait(30)
        handler.usual()

    idp.behaviours[KEYS] = waiting
    stranger = idp.token(headers={"kid": "unknown"})
    first = threading.Thread(target=lambda: async_to_sync(door.calling)(stranger, "look"))
    first.start()
    assert asked.wait(30)

    assert call(idp.token(), "look").status == 200
    assert first.is_alive()
    idp.over.set()
    first.join(30)


# 95, and a provider that is not well


async def _is_refused_in_time(
    door: Door, idp: IdentityProvider, caplog: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asking, "DEADLINE", 0.5)
    token = idp.token()
    refused(await door.calling(token, "look"))
    warnings = [each.getMessage() for each in caplog.records if each.levelno == logging.WARNING]
    assert [each for each in warnings if idp.issuer in each and "are not to be had" in each]
    assert token not in caplog.text
    assert "secret" not in caplog.text


@pytest.mark.parametrize("path", [METADATA, KEYS])
@pytest.mark.parametrize("wrong", WRONG)
async def test_where_the_keys_are_not_to_be_had_nobody_comes_in(
    door: Door,
    idp: IdentityProvider,
    path: str,
    wrong: str,
    caplog: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    idp.behaviours[path] = WRONG[wrong]

    await _is_refused_in_time(door, idp, caplog, monkeypatch)
    assert idp.asked["/elsewhere"] == 0


async def test_a_provider_that_is_down(
    door: Door, idp: IdentityProvider, settings: Any, trusting: Any, caplog: Any, monkeypatch: Any
) -> None:
    gone = idp.issuer = "http://127.0.0.1:9/realms/acme"
    trusting()

    await _is_refused_in_time(door, idp, caplog, monkeypatch)
    assert gone in caplog.text


async def test_a_resolver_that_takes_its_time_is_not_waited_for(
    door: Door,
    idp: IdentityProvider,
    trusting: Any,
    caplog: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    real, found = socket.getaddrinfo, threading.Event()

    def looked_up(host: Any, *more: Any, **named: Any) -> Any:
        if host in ("login.example", b"login.example"):
            idp.over.wait(20)
            found.set()
        return real("127.0.0.1", *more, **named)

    monkeypatch.setattr(socket, "getaddrinfo", looked_up)
    idp.issuer = "https://login.example/realms/acme"
    trusting()

    await _is_refused_in_time(door, idp, caplog, monkeypatch)
    assert "takes too long" in caplog.text
    assert not found.is_set()


async def test_a_redirect_is_not_followed(
    door: Door, idp: IdentityProvider, caplog: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    idp.behaviours["/moved"] = saying(json.dumps({"keys": idp.keys}).encode())
    idp.behaviours[KEYS] = redirecting("/moved")

    await _is_refused_in_time(door, idp, caplog, monkeypatch)
    assert idp.asked["/moved"] == 0
    assert "answers 302" in caplog.text


@pytest.mark.parametrize(
    "url",
    [
        "http://login.example/keys",
        "http://169.254.169.254/latest/meta-data",
        "http://127.0.0.1.example/keys",
        "ftp://127.0.0.1/keys",
        "file:///etc/passwd",
        "https://[/keys",
        "https://127.0.0.1:port/keys",
        "",
        7,
        None,
    ],
    ids=str,
)
async def test_keys_are_not_fetched_over_plain_http_nor_in_any_odd_way(
    door: Door,
    idp: IdentityProvider,
    url: Any,
    caplog: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    idp.metadata["jwks_uri"] = url

    await _is_refused_in_time(door, idp, caplog, monkeypatch)
    assert idp.asked[KEYS] == 0


async def test_a_document_of_https_does_not_lead_to_plain_http(
    door: Door,
    idp: IdentityProvider,
    trusting: Any,
    caplog: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Though it is this computer's, where http is spoken if the setting says so."""
    near = idp.origin
    idp.issuer = idp.metadata["issuer"] = "https://login.example/realms/acme"
    monkeypatch.setattr(asking, "authorization_server_urls", lambda issuer: (f"{near}{METADATA}",))
    trusting()

    await _is_refused_in_time(door, idp, caplog, monkeypatch)
    assert (idp.asked[METADATA], idp.asked[KEYS]) == (1, 0)
    assert "is not https" in caplog.text


async def test_over_plain_http_the_provider_itself_is_asked_on_this_computer_alone(
    door: Door,
    idp: IdentityProvider,
    settings: Any,
    trusting: Any,
    caplog: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    idp.issuer = "http://login.example/realms/acme"
    trusting()

    await _is_refused_in_time(door, idp, caplog, monkeypatch)
    assert "over plain http" in caplog.text


@pytest.mark.parametrize(
    ("trusted", "host", "days", "status"),
    [
        (True, "localhost", 1, 200),
        (False, "localhost", 1, 401),
        (True, "login.example", 1, 401),
        (True, "localhost", -1, 401),
    ],
    ids=["well", "by nobody known", "of another", "over"],
)
async def test_a_provider_has_to_prove_who_it_is(
    door: Door,
    settings: Any,
    anna: Person,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    trusted: bool,
    host: str,
    days: int,
    status: int,
) -> None:
    context = ssl.create_default_context()
    server = certificate(tmp_path, host, days=days)
    if trusted:
        context.load_verify_locations(tmp_path / "ca.pem")
    monkeypatch.setattr(asking, "tls", lambda: context)
    with identity_provider(server) as safe:
        settings.DJANGO_MCP_OAUTH = {
            "VERIFIERS": ["django_mcp.oauth.external.verify"],
            "IDENTITY_PROVIDERS": {safe.issuer: {}},
        }
        await sync_to_async(link)(safe.issuer, "f3c1", anna.user)

        assert (await door.calling(safe.token(), "look")).status == status


@pytest.mark.anyio
async def test_on_an_event_loop_nobody_waits_for_a_slow_provider_but_who_needs_it(
    door: Door, idp: IdentityProvider, settings: Any
) -> None:
    nobody_else_is_asked(settings)
    asked = threading.Event()

    def waiting(handler: Handler) -> None:
        asked.set()
        handler.idp.over.wait(30)
        handler.usual()

    idp.behaviours[KEYS] = waiting
    async with anyio.create_task_group() as group:
        slow = idp.token(headers={"kid": "unknown"})
        seen: list[int] = []

        async def call() -> None:
            seen.append((await door.calling(slow, "look")).status)

        group.start_soon(call)
        assert await anyio.to_thread.run_sync(asked.wait, 30)
        refused(await door.calling("another", "look"))
        assert not seen
        idp.over.set()

    assert seen == [401]
    assert idp.asked[KEYS] == 1


async def test_metadata_of_another_issuer_is_not_believed(
    door: Door, idp: IdentityProvider, caplog: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    idp.metadata["issuer"] = f"{idp.issuer}/"

    await _is_refused_in_time(door, idp, caplog, monkeypatch)
    assert idp.asked[KEYS] == 0


async def test_where_the_keys_are_can_be_said(
    door: Door, idp: IdentityProvider, trusting: Any, linked: Person
) -> None:
    trusting(JWKS_URL=idp.origin + KEYS)

    assert (await door.calling(idp.token(), "look")).status == 200
    assert idp.asked[METADATA] == 0


async def test_a_provider_that_fails_is_left_alone_for_a_while(
    door: Door, idp: IdentityProvider, clock: Clock
) -> None:
    idp.behaviours[KEYS] = WRONG["500"]
    for _ in range(5):
        refused(await door.calling(idp.token(), "look"))
    assert idp.asked[KEYS] == 1

    del idp.behaviours[KEYS]
    clock.passes(keys.RETRY)
    assert (await door.calling(idp.token(), "look")).status == 200


async def test_keys_outlive_their_provider_for_a_while(
    door: Door, idp: IdentityProvider, clock: Clock
) -> None:
    await door.calling(idp.token(), "look")
    idp.behaviours[KEYS] = WRONG["500"]
    clock.passes(keys.FRESH)

    assert (await door.calling(idp.token(), "look")).status == 200
    assert idp.asked[KEYS] == 2
    clock.passes(keys.LAST_RESORT)
    refused(await door.calling(idp.token(), "look"))


async def test_a_provider_that_is_slow_keeps_nobody_else_waiting(
    door: Door,
    idp: IdentityProvider,
    trusting: Any,
    tokens: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A token of this project's own has nothing to do with it."""
    idp.behaviours[METADATA] = slow

    assert (await door.calling(tokens["access_token"], "look")).status == 200
    assert not idp.asked
