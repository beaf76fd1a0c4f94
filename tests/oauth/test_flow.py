"""The whole way, from knowing nothing to a call: what holds for everybody who behaves."""

from __future__ import annotations

from typing import Any

from asgiref.sync import sync_to_async

from tests.oauth.conftest import Door
from tests.oauth.people import ISSUER, MCP, Person, Program


async def test_a_program_finds_its_way_from_the_endpoint_to_a_call(
    door: Door, anna: Person, program: Program
) -> None:
    refused = await door.calling(None, "look")
    tokens = await sync_to_async(program.connect)(anna)
    answered = await door.calling(tokens["access_token"], "hello")

    assert refused.status == 401
    assert refused.headers["www-authenticate"] == (
        'Bearer scope="mcp:read", '
        'resource_metadata="http://testserver/.well-known/oauth-protected-resource/mcp"'
    )
    assert tokens["token_type"] == "Bearer"
    assert tokens["scope"] == "mcp:read mcp:write"
    assert tokens["expires_in"] == 3600
    assert answered.result["content"][0]["text"] == f"anna {program.id}"


def test_the_answer_of_the_page_names_the_issuer_and_the_state(
    anna: Person, program: Program
) -> None:
    told = anna.allow(program.register().request())

    assert told.keys() == {"code", "state", "iss"}
    assert (told["state"], told["iss"]) == ("a state", ISSUER)


def test_the_documents_lead_from_the_endpoint_to_the_issuer(door: Door, client: Any) -> None:
    resource = client.get("/.well-known/oauth-protected-resource/mcp").json()
    server = client.get("/.well-known/oauth-authorization-server/oauth").json()
    openid = client.get("/.well-known/openid-configuration/oauth").json()
    appended = client.get("/oauth/.well-known/openid-configuration").json()

    assert resource == {
        "resource": MCP,
        "authorization_servers": [ISSUER],
        "scopes_supported": ["mcp:read"],
        "bearer_methods_supported": ["header"],
        "resource_name": "The Desk",
    }
    assert server["issuer"] == ISSUER
    assert server["token_endpoint"] == f"{ISSUER}/token"
    assert server["code_challenge_methods_supported"] == ["S256"]
    assert server.items() <= openid.items()
    assert openid == appended
