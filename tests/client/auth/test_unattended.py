"""Tokens that nobody has to be asked for."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from django_mcp.client.auth import (
    ClientCredentials,
    ClientInformation,
    EnterpriseManaged,
    IdentityProvider,
    InsufficientScope,
    JwtBearer,
    MemoryStorage,
    MetadataNotFound,
    OAuthError,
    RegistrationError,
    TokenRefused,
)
from django_mcp.client.auth.bearer import BearerAuth

from .playing import form, server_metadata
from .world import ISSUER, SERVER, World, answer

CLIENT = ClientInformation(issuer=ISSUER, client_id="me", client_secret="S")
IDP = "https://idp.example"
ID_JAG = "urn:ietf:params:oauth:token-type:id-jag"


@pytest.fixture
def world() -> World:
    world = World()
    world.metadata["token_endpoint_auth_methods_supported"] = ["client_secret_post"]
    return world


async def post(world: World, auth: BearerAuth, **headers: str) -> httpx.Response:
    async with world.http(auth=auth) as client:
        return await client.post(SERVER, headers=headers)


async def test_a_client_gets_a_token_for_itself(world: World) -> None:
    storage = MemoryStorage()
    auth = ClientCredentials(
        SERVER, client=CLIENT, scopes=["mine"], storage=storage, http=world.http()
    )

    assert (await post(world, auth)).status_code == 200
    assert world.forms == [
        {
            "grant_type": "client_credentials",
            "scope": "read mine",
            "resource": SERVER,
            "client_id": "me",
            "client_secret": "S",
        }
    ]
    stored = await storage.get_tokens(SERVER)
    assert stored is not None
    assert stored.access_token in world.valid


async def test_a_token_that_is_known_to_have_run_out_is_got_anew_before_it_is_sent(
    world: World,
) -> None:
    world.expires_in = 0
    auth = ClientCredentials(SERVER, client=CLIENT, http=world.http())

    await post(world, auth)
    world.log.clear()
    await post(world, auth)

    assert world.log == [f"POST {ISSUER}/token", f"POST {SERVER}"]
    assert {each["grant_type"] for each in world.forms} == {"client_credentials"}


async def test_more_scopes_are_asked_for_together_with_those_from_before(world: World) -> None:
    auth = ClientCredentials(SERVER, client=CLIENT, http=world.http())

    await post(world, auth)
    response = await post(world, auth, **{"x-wants": "write"})

    assert response.status_code == 200
    assert [each["scope"] for each in world.forms] == ["read", "read write"]


async def test_scopes_that_are_not_given_are_not_asked_for_again_and_again(world: World) -> None:
    async def never_enough(request: httpx.Request) -> httpx.Response:
        return world.challenge(403, error="insufficient_scope", scope="admin")

    world.answers[SERVER] = never_enough
    auth = ClientCredentials(SERVER, client=CLIENT, http=world.http())

    for _ in range(2):
        with pytest.raises(InsufficientScope):
            await post(world, auth)

    assert len(world.forms) == 1


async def test_a_secret_is_not_shown_to_another_authorization_server(world: World) -> None:
    other = CLIENT.model_copy(update={"issuer": "https://former.example"})
    auth = ClientCredentials(SERVER, client=other, http=world.http())

    with pytest.raises(RegistrationError, match=r"former\.example"):
        await post(world, auth)

    assert not world.forms


async def test_a_server_without_metadata_gets_no_secret(world: World) -> None:
    async def missing(request: httpx.Request) -> httpx.Response:
        return httpx.Response(404)

    world.answers["https://mcp.example/.well-known/oauth-protected-resource/mcp"] = missing
    auth = ClientCredentials(SERVER, client=CLIENT, http=world.http())

    with pytest.raises(MetadataNotFound):
        await post(world, auth)


def test_a_client_with_nothing_to_be_known_by_is_refused_at_once() -> None:
    with pytest.raises(RegistrationError, match="neither a secret nor a signer"):
        ClientCredentials(SERVER, client=ClientInformation(issuer=ISSUER, client_id="me"))


async def test_an_assertion_is_asked_for_with_whom_and_what_it_is_for(world: World) -> None:
    asked: list[tuple[str, str]] = []

    async def assertion(issuer: str, resource: str) -> str:
        asked.append((issuer, resource))
        return "signed"

    auth = JwtBearer(SERVER, client=CLIENT, assertion=assertion, http=world.http())

    assert (await post(world, auth)).status_code == 200
    assert asked == [(ISSUER, SERVER)]
    assert world.forms[0]["assertion"] == "signed"


async def test_an_assertion_that_is_refused_is_not_tried_again(world: World) -> None:
    async def assertion(issuer: str, resource: str) -> str:
        return "signed"

    async def refuse(request: httpx.Request) -> httpx.Response:
        return answer({"error": "invalid_grant", "error_description": "not signed"}, 400)

    world.answers[f"{ISSUER}/token"] = refuse
    auth = JwtBearer(SERVER, client=CLIENT, assertion=assertion, http=world.http())

    with pytest.raises(TokenRefused, match="invalid_grant") as caught:
        await post(world, auth)

    assert "signed" not in str(caught.value)
    assert world.log.count(f"POST {ISSUER}/token") == 1


def enterprise(world: World, **provider: Any) -> EnterpriseManaged:
    """A client of a company whose users sign in at `IDP`."""

    async def identity() -> str:
        return "ID"

    at_idp = ClientInformation(issuer=IDP, client_id="me at the idp", client_secret="IDP-S")
    return EnterpriseManaged(
        SERVER,
        client=CLIENT,
        provider=IdentityProvider(client=at_idp, identity=identity, **provider),
        http=world.http(),
    )


def idp(world: World, **changes: Any) -> list[dict[str, str]]:
    """Set up the identity provider; returns where it notes what it is sent."""
    sent: list[dict[str, str]] = []

    async def metadata(request: httpx.Request) -> httpx.Response:
        methods = ["client_secret_post"]
        document = server_metadata(IDP, token_endpoint_auth_methods_supported=methods, **changes)
        return answer(document)

    async def token(request: httpx.Request) -> httpx.Response:
        sent.append(form(request))
        given = {"access_token": "JAG", "token_type": "N_A", "issued_token_type": ID_JAG}
        return answer(given)

    world.answers[f"{IDP}/.well-known/oauth-authorization-server"] = metadata
    world.answers[f"{IDP}/token"] = token
    return sent


async def test_a_company_lets_its_user_use_the_server(world: World) -> None:
    sent = idp(world)

    assert (await post(world, enterprise(world))).status_code == 200
    [exchange], [grant] = sent, world.forms
    assert (exchange["audience"], exchange["resource"]) == (ISSUER, SERVER)
    assert (exchange["subject_token"], exchange["client_secret"]) == ("ID", "IDP-S")
    assert (grant["assertion"], grant["client_secret"]) == ("JAG", "S")
    assert grant["grant_type"] == "urn:ietf:params:oauth:grant-type:jwt-bearer"


async def test_the_endpoint_of_the_identity_provider_may_be_given(world: World) -> None:
    idp(world)

    auth = enterprise(world, token_endpoint=f"{IDP}/token")

    assert (await post(world, auth)).status_code == 200
    assert f"GET {IDP}/.well-known/oauth-authorization-server" not in world.log


async def test_an_identity_provider_without_an_endpoint_is_told(world: World) -> None:
    idp(world, token_endpoint=None)

    with pytest.raises(OAuthError, match="token_endpoint"):
        await post(world, enterprise(world))


async def test_what_a_company_refuses_is_not_asked_of_the_authorization_server(
    world: World,
) -> None:
    idp(world)

    async def refuse(request: httpx.Request) -> httpx.Response:
        return answer({"error": "access_denied", "error_description": "ID is not allowed"}, 403)

    world.answers[f"{IDP}/token"] = refuse

    with pytest.raises(TokenRefused, match="access_denied") as caught:
        await post(world, enterprise(world))

    assert "ID is" not in str(caught.value)
    assert not world.forms
