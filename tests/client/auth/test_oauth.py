"""Requests to a server that wants a token, as whoever makes them sees it."""

from __future__ import annotations

import time
from typing import Any

import httpx
import pytest

from django_mcp.client.auth import (
    ClientInformation,
    InsufficientScope,
    InteractionRequired,
    MemoryStorage,
    NoInteraction,
    OAuth,
    Registration,
    RegistrationError,
    RequestFailed,
    TokenRefused,
    TokenRejected,
    UnsafeURL,
)

from .world import ISSUER, REDIRECT_URI, SERVER, World, answer, oauth

CLIENT = ClientInformation(issuer=ISSUER, client_id="c1", redirect_uris=(REDIRECT_URI,))


@pytest.fixture
def world() -> World:
    return World()


async def storage_with(
    world: World, *scopes: str, expires_at: float | None = None
) -> MemoryStorage:
    """What a run before has left: tokens, and how the client was registered."""
    storage = MemoryStorage()
    await storage.set_client(ISSUER, CLIENT)
    await storage.set_tokens(SERVER, world.stored(*scopes, expires_at=expires_at))
    return storage


async def test_the_first_request_brings_the_user_to_authorize_the_client(world: World) -> None:
    async with world.http(auth=oauth(world)) as client:
        response = await client.post(SERVER, content=b"hello")

    assert response.json() == {"result": "hello"}
    assert world.log == [
        "POST https://mcp.example/mcp",
        "GET https://mcp.example/.well-known/oauth-protected-resource/mcp",
        "GET https://auth.example/.well-known/oauth-authorization-server",
        "POST https://auth.example/register",
        "POST https://auth.example/token",
        "POST https://mcp.example/mcp",
    ]
    [visit], [form] = world.visits, world.forms
    assert visit["resource"] == form["resource"] == SERVER
    assert visit["scope"] == "read"
    assert visit["client_id"] == form["client_id"] == "client-1"


async def test_what_was_got_once_is_used_again(world: World) -> None:
    auth = oauth(world)

    async with world.http(auth=auth) as client:
        await client.post(SERVER)
        await client.post(SERVER)
    async with world.http(auth=auth) as client:
        await client.post(SERVER)

    assert len(world.visits) == 1
    assert len(set(world.sent)) == 2


async def test_what_is_stored_is_used_in_the_next_run(world: World) -> None:
    storage = await storage_with(world, "read")

    async with world.http(auth=oauth(world, storage=storage)) as client:
        response = await client.post(SERVER)

    assert response.status_code == 200
    assert world.log == ["POST https://mcp.example/mcp"]


async def test_a_server_that_asks_for_nothing_gets_nothing(world: World) -> None:
    async def open_to_all(request: httpx.Request) -> httpx.Response:
        return httpx.Response(403, text=("authorization" in request.headers and "sent") or "bare")

    world.answers[SERVER] = open_to_all

    async with world.http(auth=oauth(world)) as client:
        response = await client.post(SERVER)

    assert (response.status_code, response.text) == (403, "bare")


# ---------------------------------------------------------------------------------------- scopes


async def test_scopes_come_from_the_servers_metadata_where_it_challenges_with_none(
    world: World,
) -> None:
    world.required = set()

    async def metadata(request: httpx.Request) -> httpx.Response:
        return answer(
            {
                "resource": SERVER,
                "authorization_servers": [ISSUER],
                "scopes_supported": ["mcp:basic", "mcp:more"],
            }
        )

    world.answers["https://mcp.example/.well-known/oauth-protected-resource/mcp"] = metadata

    async with world.http(auth=oauth(world, scopes=["mine"])) as client:
        await client.post(SERVER)

    assert world.visits[0]["scope"] == "mcp:basic mcp:more mine"


@pytest.mark.parametrize(
    ("offered", "scope"),
    [(["read", "offline_access"], "read offline_access"), (["read"], "read"), (None, "read")],
)
async def test_offline_access_is_asked_for_where_the_authorization_server_has_it(
    world: World, offered: list[str] | None, scope: str
) -> None:
    world.metadata["scopes_supported"] = offered

    async with world.http(auth=oauth(world)) as client:
        await client.post(SERVER)

    assert world.visits[0]["scope"] == scope


async def test_offline_access_is_not_asked_for_again_where_it_is_not_offered_any_more(
    world: World,
) -> None:
    storage = await storage_with(world, "read", "offline_access")
    world.valid.clear()
    world.refresh_tokens.clear()

    async with world.http(auth=oauth(world, storage=storage)) as client:
        await client.post(SERVER)

    assert world.visits[0]["scope"] == "read"


async def test_more_scopes_are_asked_for_together_with_those_from_before(world: World) -> None:
    world.required = set()
    storage = await storage_with(world, "read", "list")

    async with world.http(auth=oauth(world, storage=storage)) as client:
        response = await client.post(SERVER, headers={"x-wants": "write"})
        again = await client.post(SERVER, headers={"x-wants": "read"})

    assert (response.status_code, again.status_code) == (200, 200)
    assert [visit["scope"] for visit in world.visits] == ["read list write"]


async def test_scopes_that_do_not_help_are_asked_for_once(world: World) -> None:
    async def never_enough(request: httpx.Request) -> httpx.Response:
        if "authorization" not in request.headers:
            return world.challenge(401, scope="admin")
        return world.challenge(403, error="insufficient_scope", scope="admin")

    world.answers[SERVER] = never_enough

    async with world.http(auth=oauth(world)) as client:
        for _ in range(3):
            with pytest.raises(InsufficientScope, match="'admin'") as caught:
                await client.post(SERVER)

    assert caught.value.scopes == ("admin",)
    assert len(world.visits) == 1


async def test_a_server_that_asks_for_ever_more_is_given_up_on(world: World) -> None:
    asked = 0

    async def insatiable(request: httpx.Request) -> httpx.Response:
        nonlocal asked
        asked += 1
        return world.challenge(403, error="insufficient_scope", scope=f"scope-{asked}")

    world.answers[SERVER] = insatiable

    async with world.http(auth=oauth(world)) as client:
        with pytest.raises(InsufficientScope):
            await client.post(SERVER)

    assert [visit["scope"] for visit in world.visits] == [
        "scope-1",
        "scope-1 scope-2",
        "scope-1 scope-2 scope-3",
    ]


async def test_a_403_for_another_reason_is_the_answer(world: World) -> None:
    async def forbidden(request: httpx.Request) -> httpx.Response:
        return world.challenge(403, error="invalid_token")

    world.answers[SERVER] = forbidden

    async with world.http(auth=oauth(world)) as client:
        response = await client.post(SERVER)

    assert response.status_code == 403
    assert not world.visits


# --------------------------------------------------------------------------------------- renewing


async def test_a_token_that_ran_out_is_renewed_without_the_user(world: World) -> None:
    storage = await storage_with(world, "read")
    world.valid.clear()

    async with world.http(auth=oauth(world, storage=storage)) as client:
        response = await client.post(SERVER)

    assert response.status_code == 200
    assert [form["grant_type"] for form in world.forms] == ["refresh_token"]
    assert not world.visits
    stored = await storage.get_tokens(SERVER)
    assert stored is not None
    assert world.sent[-1] == f"Bearer {stored.access_token}"


async def test_a_token_that_is_known_to_have_run_out_is_renewed_before_it_is_sent(
    world: World,
) -> None:
    world.expires_in = 0

    async with world.http(auth=oauth(world)) as client:
        await client.post(SERVER)
        world.log.clear()
        await client.post(SERVER)

    assert world.log == ["POST https://auth.example/token", "POST https://mcp.example/mcp"]


async def test_a_user_who_is_needed_again_is_asked_again(world: World) -> None:
    storage = await storage_with(world, "read", "list")
    world.valid.clear()
    world.refresh_tokens.clear()

    async with world.http(auth=oauth(world, storage=storage)) as client:
        response = await client.post(SERVER)

    assert response.status_code == 200
    assert [form["grant_type"] for form in world.forms] == ["refresh_token", "authorization_code"]
    assert [visit["scope"] for visit in world.visits] == ["read list"]


async def test_a_refresh_token_that_was_refused_is_not_tried_again(world: World) -> None:
    storage = await storage_with(world, "read")
    world.valid.clear()
    world.refresh_tokens.clear()

    async with world.http(
        auth=oauth(world, storage=storage, interaction=NoInteraction())
    ) as client:
        for _ in range(2):
            with pytest.raises(InteractionRequired):
                await client.post(SERVER)

    assert len(world.forms) == 1


async def test_an_authorization_server_in_trouble_does_not_cost_the_tokens(world: World) -> None:
    storage = await storage_with(world, "read")
    kept = await storage.get_tokens(SERVER)
    world.valid.clear()

    async def broken(request: httpx.Request) -> httpx.Response:
        return httpx.Response(503)

    world.answers[f"{ISSUER}/token"] = broken

    async with world.http(auth=oauth(world, storage=storage)) as client:
        with pytest.raises(RequestFailed, match="503"):
            await client.post(SERVER)

    assert await storage.get_tokens(SERVER) == kept
    assert not world.visits


async def test_what_another_process_renewed_is_used(world: World) -> None:
    storage = await storage_with(world, "read")
    auth = oauth(world, storage=storage)

    async with world.http(auth=auth) as client:
        await client.post(SERVER)
        world.valid.clear()
        await storage.set_tokens(SERVER, world.stored("read"))
        response = await client.post(SERVER)

    assert response.status_code == 200
    assert not world.forms


async def test_what_another_process_renewed_first_is_used(world: World) -> None:
    storage = await storage_with(world, "read")
    world.valid.clear()

    async def too_late(request: httpx.Request) -> httpx.Response:
        await storage.set_tokens(SERVER, world.stored("read"))
        return answer({"error": "invalid_grant"}, 400)

    world.answers[f"{ISSUER}/token"] = too_late

    async with world.http(auth=oauth(world, storage=storage)) as client:
        response = await client.post(SERVER)

    assert response.status_code == 200
    assert not world.visits


async def test_a_token_that_the_server_refuses_right_away_is_not_asked_for_again(
    world: World,
) -> None:
    async def refuse(request: httpx.Request) -> httpx.Response:
        return world.challenge(401, scope="read")

    world.answers[SERVER] = refuse

    async with world.http(auth=oauth(world)) as client:
        with pytest.raises(TokenRejected, match=r"https://mcp\.example/mcp"):
            await client.post(SERVER)

    assert len(world.visits) == 1


async def test_a_renewed_token_that_does_not_do_brings_the_user(world: World) -> None:
    storage = await storage_with(world, "read")
    granted: list[str] = []

    async def only_granted(request: httpx.Request) -> httpx.Response:
        granted[:] = [token for token in world.valid if world.visits]
        token = request.headers["authorization"].removeprefix("Bearer ")
        return answer({}) if token in granted else world.challenge(401)

    world.answers[SERVER] = only_granted

    async with world.http(auth=oauth(world, storage=storage)) as client:
        response = await client.post(SERVER)

    assert response.status_code == 200
    assert [form["grant_type"] for form in world.forms] == ["refresh_token", "authorization_code"]


# ----------------------------------------------------------------------------------- registration


async def test_a_client_that_is_registered_is_not_registered_again(world: World) -> None:
    storage = MemoryStorage()
    await storage.set_client(ISSUER, CLIENT)

    async with world.http(auth=oauth(world, storage=storage)) as client:
        await client.post(SERVER)

    assert not world.registrations
    assert world.visits[0]["client_id"] == "c1"


async def test_a_registration_for_another_redirect_uri_is_made_anew(world: World) -> None:
    storage = MemoryStorage()
    other = CLIENT.model_copy(update={"redirect_uris": ("http://127.0.0.1:1/callback",)})
    await storage.set_client(ISSUER, other)

    async with world.http(auth=oauth(world, storage=storage)) as client:
        await client.post(SERVER)

    assert world.visits[0]["client_id"] == "client-1"


async def test_another_authorization_server_sees_nothing_of_the_former_one(world: World) -> None:
    storage = await storage_with(world, "read", "list")
    world.valid.clear()
    world.issuer = world.iss = "https://new.example"

    async with world.http(auth=oauth(world, storage=storage)) as client:
        response = await client.post(SERVER)

    assert response.status_code == 200
    assert [form["grant_type"] for form in world.forms] == ["authorization_code"]
    assert world.visits[0]["client_id"] == "client-1"
    assert world.visits[0]["scope"] == "read"
    assert not [line for line in world.log if "auth.example" in line]


async def test_a_refresh_token_is_not_shown_to_an_authorization_server_that_is_known_too(
    world: World,
) -> None:
    storage = await storage_with(world, "read")
    world.valid.clear()
    world.issuer = world.iss = "https://new.example"
    known = CLIENT.model_copy(update={"issuer": world.issuer, "client_id": "c2"})
    await storage.set_client(world.issuer, known)

    async with world.http(auth=oauth(world, storage=storage)) as client:
        await client.post(SERVER)

    assert [form["grant_type"] for form in world.forms] == ["authorization_code"]
    assert world.visits[0]["client_id"] == "c2"


async def test_a_server_may_change_its_authorization_server_at_any_time(world: World) -> None:
    async with world.http(auth=oauth(world)) as client:
        await client.post(SERVER)
        world.valid.clear()
        world.issuer = world.iss = "https://new.example"
        world.log.clear()
        response = await client.post(SERVER)

    assert response.status_code == 200
    assert "POST https://new.example/register" in world.log
    assert not [line for line in world.log if "auth.example" in line]


async def test_a_client_that_was_forgotten_is_registered_the_next_time(world: World) -> None:
    storage = MemoryStorage()
    await storage.set_client(ISSUER, CLIENT)

    async def unknown(request: httpx.Request) -> httpx.Response:
        return answer({"error": "invalid_client"}, 401)

    world.answers[f"{ISSUER}/token"] = unknown

    async with world.http(auth=oauth(world, storage=storage)) as client:
        with pytest.raises(TokenRefused, match="invalid_client"):
            await client.post(SERVER)
        del world.answers[f"{ISSUER}/token"]
        response = await client.post(SERVER)

    assert response.status_code == 200
    assert len(world.registrations) == 1


async def test_a_client_from_before_is_used_and_not_registered(world: World) -> None:
    world.metadata["token_endpoint_auth_methods_supported"] = ["client_secret_post"]
    registration = Registration(
        client=ClientInformation(issuer=ISSUER, client_id="by hand", client_secret="S")
    )

    async with world.http(auth=oauth(world, registration=registration)) as client:
        await client.post(SERVER)

    assert not world.registrations
    assert world.forms[0]["client_secret"] == "S"


async def test_a_client_from_before_is_not_shown_to_another_authorization_server(
    world: World,
) -> None:
    registration = Registration(
        client=ClientInformation(issuer="https://former.example", client_id="x")
    )

    async with world.http(auth=oauth(world, registration=registration)) as client:
        with pytest.raises(RegistrationError, match=r"former\.example"):
            await client.post(SERVER)

    assert not [line for line in world.log if "auth.example" in line]


async def test_a_metadata_document_is_the_client_id_where_it_is_understood(world: World) -> None:
    world.metadata["client_id_metadata_document_supported"] = True
    registration = Registration(metadata_url="https://app.example/client.json")

    async with world.http(auth=oauth(world, registration=registration)) as client:
        await client.post(SERVER)

    assert not world.registrations
    assert world.forms[0]["client_id"] == "https://app.example/client.json"


# ------------------------------------------------------------------------------ nobody to be asked


async def test_where_nobody_can_be_asked_the_error_says_what_to_begin_with(world: World) -> None:
    async with world.http(auth=oauth(world, interaction=NoInteraction())) as client:
        with pytest.raises(InteractionRequired, match=r"Authorization\.begin") as caught:
            await client.post(SERVER)

    assert caught.value.challenge == 'Bearer scope="read"'


def test_a_client_without_async_is_refused(world: World) -> None:
    transport = httpx.MockTransport(lambda request: httpx.Response(200))

    with (
        httpx.Client(transport=transport, auth=oauth(world)) as client,
        pytest.raises(RuntimeError, match="AsyncClient"),
    ):
        client.get(SERVER)


@pytest.mark.parametrize("url", ["http://mcp.example/mcp", "https://u:p@mcp.example", "mcp"])
def test_a_server_that_cannot_be_trusted_with_a_token_is_refused(url: str) -> None:
    with pytest.raises(UnsafeURL):
        OAuth(url)


async def test_the_version_of_the_protocol_is_told_to_discovery(world: World) -> None:
    seen: list[Any] = []

    async def metadata(request: httpx.Request) -> httpx.Response:
        seen.append(request.headers.get("mcp-protocol-version"))
        return answer({"resource": SERVER, "authorization_servers": [ISSUER]})

    world.answers["https://mcp.example/.well-known/oauth-protected-resource/mcp"] = metadata

    async with world.http(auth=oauth(world)) as client:
        await client.post(SERVER, headers={"MCP-Protocol-Version": "2025-11-25"})

    assert seen == ["2025-11-25"]


async def test_a_token_from_long_ago_is_sent_where_nobody_is_known_to_renew_it(
    world: World,
) -> None:
    storage = await storage_with(world, "read", expires_at=time.time() - 60)

    async with world.http(auth=oauth(world, storage=storage)) as client:
        response = await client.post(SERVER)

    # The server takes it, so nothing more was to be done.
    assert response.status_code == 200
    assert not world.forms


async def test_tokens_that_are_dropped_are_gone_everywhere(world: World) -> None:
    storage = MemoryStorage()
    auth = oauth(world, storage=storage)

    async with world.http(auth=auth) as client:
        await client.post(SERVER)
        await auth.forget()
        assert await storage.get_tokens(SERVER) is None
        await client.post(SERVER)

    assert len(world.visits) == 2
    assert world.sent[2] == ""


async def test_who_signs_in_first_has_a_token_for_the_first_request(world: World) -> None:
    auth = oauth(world, scopes=["read"])

    await auth.sign_in()
    await auth.sign_in()
    async with world.http(auth=auth) as client:
        response = await client.post(SERVER)

    assert response.status_code == 200
    assert len(world.visits) == 1
    assert "" not in world.sent


@pytest.mark.parametrize(("ran_out", "grants"), [(False, []), (True, ["refresh_token"])])
async def test_who_is_signed_in_is_not_asked_again(
    world: World, ran_out: bool, grants: list[str]
) -> None:
    storage = await storage_with(world, "read", expires_at=time.time() + (-60 if ran_out else 60))

    await oauth(world, storage=storage).sign_in()

    assert [form["grant_type"] for form in world.forms] == grants
    assert not world.visits
