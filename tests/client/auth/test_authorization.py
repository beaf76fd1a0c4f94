"""The two halves of an authorization, as a web project has them: two requests, one session."""

from __future__ import annotations

import httpx
import pytest

from django_mcp.client.auth import (
    Authorization,
    AuthorizationRefused,
    InteractionRequired,
    MemoryStorage,
    NoInteraction,
    Pending,
    Registration,
    RegistrationError,
)

from .world import ISSUER, SERVER, World, oauth

CALLBACK = "https://app.example/mcp/callback"


@pytest.fixture
def world() -> World:
    return World()


async def test_one_request_begins_and_another_finishes(world: World) -> None:
    storage = MemoryStorage()
    begun = Authorization(SERVER, storage=storage, http=world.http())
    pending = await begun.begin(CALLBACK)
    session = {pending.state: pending.model_dump_json()}

    arrived = world.authorize(pending.url)

    restored = Pending.model_validate_json(session.pop(pending.state))
    finished = Authorization(SERVER, storage=storage, http=world.http())
    tokens = await finished.finish(restored, arrived)

    assert await storage.get_tokens(SERVER) == tokens
    assert tokens.access_token in world.valid
    assert world.registrations[0]["application_type"] == "web"


async def test_what_is_kept_of_a_request_has_no_client_secret(world: World) -> None:
    async def register(request: httpx.Request) -> httpx.Response:
        return httpx.Response(201, json={"client_id": "c", "client_secret": "S3CRET"})

    world.answers[f"{ISSUER}/register"] = register

    pending = await Authorization(SERVER, http=world.http()).begin(CALLBACK)

    assert "S3CRET" not in pending.model_dump_json()


async def test_a_request_that_failed_for_want_of_a_user_is_what_he_is_asked_for(
    world: World,
) -> None:
    storage = MemoryStorage()
    world.required = {"read", "write"}
    background = oauth(world, storage=storage, interaction=NoInteraction())
    async with world.http(auth=background) as client:
        with pytest.raises(InteractionRequired) as caught:
            await client.post(SERVER)

        authorization = Authorization(SERVER, storage=storage, http=world.http())
        pending = await authorization.begin(CALLBACK, challenge=caught.value.challenge)
        await authorization.finish(pending, world.authorize(pending.url))
        response = await client.post(SERVER)

    assert world.visits[0]["scope"] == "read write"
    assert response.status_code == 200


async def test_a_user_who_says_no_leaves_what_was_stored(world: World) -> None:
    storage = MemoryStorage()
    before = world.stored("read")
    await storage.set_tokens(SERVER, before)
    authorization = Authorization(SERVER, storage=storage, http=world.http())
    pending = await authorization.begin(CALLBACK, before=["read"])

    back = f"{CALLBACK}?error=access_denied&state={pending.state}&iss={ISSUER}"
    with pytest.raises(AuthorizationRefused, match="access_denied"):
        await authorization.finish(pending, back)

    assert await storage.get_tokens(SERVER) == before


async def test_an_authorization_of_a_client_that_is_gone_begins_again(world: World) -> None:
    pending = await Authorization(SERVER, http=world.http()).begin(CALLBACK)
    elsewhere = Authorization(SERVER, http=world.http())

    with pytest.raises(RegistrationError, match="again"):
        await elsewhere.finish(pending, world.authorize(pending.url))

    assert not world.forms


async def test_two_users_share_nothing_but_the_registration_they_are_given(world: World) -> None:
    registration = Registration(client_name="Library")
    stores = [MemoryStorage(), MemoryStorage()]
    for storage in stores:
        authorization = Authorization(
            SERVER, storage=storage, registration=registration, http=world.http()
        )
        pending = await authorization.begin(CALLBACK)
        await authorization.finish(pending, world.authorize(pending.url))

    first, second = [await storage.get_tokens(SERVER) for storage in stores]
    assert first is not None
    assert second is not None
    assert first.access_token != second.access_token
