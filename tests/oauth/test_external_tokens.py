"""Tokens that an identity provider has signed: whom one lets in, and whom not.

The numbers are those of the table in tests/oauth/README.md.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import logging
import sys
import time
from collections.abc import Callable
from typing import Any

import pytest
from asgiref.sync import async_to_sync, sync_to_async
from django.core.handlers.asgi import ASGIHandler
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from django_mcp import MCPServer
from django_mcp.oauth import personal
from django_mcp.oauth.authentication import bearer
from django_mcp.oauth.linking import link
from django_mcp.oauth.models import ExternalIdentity
from django_mcp.routing import MCPRouter, mount
from tests.doors import AsgiDoor, Request, envelope, headers_for
from tests.exposure.depot.server import captured_in
from tests.oauth.conftest import Door, server_named
from tests.oauth.identity_provider import (
    CONFIGURATION,
    KEYS,
    IdentityProvider,
    public_jwk,
    public_pem,
    signed,
)
from tests.oauth.people import MCP, Person
from tests.oauth.test_tokens import refused

EXTERNAL = "django_mcp.oauth.external.verify"


@pytest.fixture
def linked(idp: IdentityProvider, anna: Person, trusting: Any) -> Person:
    """anna, whom the provider calls f3c1."""
    trusting()
    link(idp.issuer, "f3c1", anna.user)
    return anna


async def test_a_token_of_the_provider_lets_its_user_in(
    door: Door, idp: IdentityProvider, linked: Person
) -> None:
    reply = await door.calling(idp.token(), "hello")

    assert reply.result["structuredContent"] == "anna editor"


async def test_one_indexed_query_finds_out_whom_a_token_speaks_for(
    door: Door, idp: IdentityProvider, linked: Person
) -> None:
    token = idp.token()
    await door.calling(token, "hello")
    statements = await captured_in(door.calling(token, "hello"))

    assert len(statements) == 1, statements
    assert '"digest" = ' in statements[0].replace("`", '"')
    assert ExternalIdentity._meta.get_field("digest").unique


async def test_the_scopes_of_a_token_limit_its_user(
    door: Door, idp: IdentityProvider, linked: Person
) -> None:
    reading = idp.token(scope="openid mcp:read")

    assert (await door.calling(reading, "look")).status == 200
    challenged = await door.calling(reading, "write", text="x")
    assert challenged.status == 403
    assert 'scope="openid mcp:write"' in challenged.headers["www-authenticate"]


@pytest.mark.parametrize(
    ("claims", "said"),
    [
        ({"scope": None, "scp": ["mcp:read", "mcp:write"]}, {}),
        ({"scope": None, "scp": "mcp:write"}, {}),
        ({"scope": None, "permissions": ["mcp:write"]}, {"SCOPE_CLAIMS": ["scope", "permissions"]}),
        ({"scope": "openid", "scp": ["mcp:write"]}, {}),
    ],
    ids=str,
)
async def test_scopes_are_where_the_provider_has_them(
    door: Door, idp: IdentityProvider, linked: Person, trusting: Any, claims: Any, said: Any
) -> None:
    trusting(**said)

    assert (await door.calling(idp.token(**claims), "write", text="x")).status == 200


async def test_permissions_are_no_scopes_unless_the_setting_says_so(
    door: Door, idp: IdentityProvider, linked: Person
) -> None:
    token = idp.token(scope="openid", permissions=["mcp:write"])

    assert (await door.calling(token, "write", text="x")).status == 403


@pytest.mark.parametrize("key", ["rsa", "ec", "p384", "ed"])
async def test_keys_of_each_kind_sign(
    door: Door, idp: IdentityProvider, linked: Person, key: str
) -> None:
    idp.keys = [public_jwk("rsa"), public_jwk("ec"), public_jwk("p384"), public_jwk("ed")]

    assert (await door.calling(idp.token(key), "look")).status == 200


async def test_a_key_without_a_name_is_the_only_one(
    door: Door, idp: IdentityProvider, linked: Person
) -> None:
    idp.keys = [public_jwk("rsa", kid=None), public_jwk("ec")]
    nameless = idp.token(headers={"kid": None})

    assert (await door.calling(nameless, "look")).status == 200


async def test_of_several_keys_one_has_to_be_named(
    door: Door, idp: IdentityProvider, linked: Person
) -> None:
    idp.keys = [public_jwk("rsa"), public_jwk("rsa2")]

    refused(await door.calling(idp.token(headers={"kid": None}), "look"))
    assert (await door.calling(idp.token("rsa2"), "look")).status == 200


async def test_metadata_of_openid_connect_does_as_well(
    door: Door, idp: IdentityProvider, linked: Person
) -> None:
    idp.metadata_at = CONFIGURATION

    assert (await door.calling(idp.token(), "look")).status == 200


# 92


def signed_with_the_public_key(idp: IdentityProvider) -> str:
    """HS256, by the bytes of what everybody has: the key the provider is verified by."""
    header = {"alg": "HS256", "typ": "at+jwt", "kid": "rsa"}
    parts = [_b64(json.dumps(each).encode()) for each in (header, idp.claims())]
    text = ".".join(parts)
    return text + "." + _b64(hmac.new(public_pem("rsa"), text.encode(), hashlib.sha256).digest())


def unsigned(idp: IdentityProvider, algorithm: str = "none") -> str:
    header = {"alg": algorithm, "typ": "at+jwt", "kid": "rsa"}
    return ".".join([_b64(json.dumps(each).encode()) for each in (header, idp.claims())]) + "."


def with_the_key_inside(idp: IdentityProvider) -> str:
    """Signed by a key of the attacker's that the header brings along."""
    return idp.token("rsa-of-others", headers={"kid": "rsa", "jwk": public_jwk("rsa-of-others")})


def pointing(name: str) -> Callable[[IdentityProvider], str]:
    return lambda idp: idp.token("rsa-of-others", headers={name: f"{idp.origin}/theirs"})


def _b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def claiming(**changed: Any) -> Callable[[IdentityProvider], str]:
    return lambda idp: idp.token(**changed)


def headed(**headers: Any) -> Callable[[IdentityProvider], str]:
    return lambda idp: idp.token(headers=headers)


def raw(claims: str) -> Callable[[IdentityProvider], str]:
    """Claims letter by letter, well signed; `%s` is the issuer."""

    def made(idp: IdentityProvider) -> str:
        body = claims.replace("%s", idp.issuer).replace("%d", str(int(time.time()) + 300))
        return signed(body.encode())

    return made


GOOD = f'"iss":"%s","sub":"f3c1","aud":"{MCP}","exp":%d,"scope":"mcp:read"'
NOW = int(time.time())

ATTACKS: dict[str, Callable[[IdentityProvider], str]] = {
    "alg none": unsigned,
    "alg None": lambda idp: unsigned(idp, "None"),
    "alg empty": lambda idp: unsigned(idp, ""),
    "HS256 with the public key": signed_with_the_public_key,
    "another's signature": lambda idp: idp.token("rsa-of-others", headers={"kid": "rsa"}),
    "another key of the provider": lambda idp: idp.token("ec", headers={"kid": "rsa"}),
    "jwk": with_the_key_inside,
    "jku": pointing("jku"),
    "x5u": pointing("x5u"),
    "crit": headed(crit=["b64"], b64=True),
    "kid unknown": headed(kid="other"),
    "kid empty": headed(kid=""),
    "kid of a path": headed(kid="../../../../dev/null"),
    "kid with SQL": headed(kid="' OR 1=1 --"),
    "typ of an ID token": headed(typ="id+jwt"),
    "typ of a logout token": headed(typ="logout+jwt"),
    "typ of DPoP": headed(typ="dpop+jwt"),
    "typ of a grant": headed(typ="oauth-id-jag+jwt"),
    "iss of another": claiming(iss="https://elsewhere.example"),
    "iss of another tenant": lambda idp: idp.token(iss=f"{idp.origin}/realms/other"),
    "iss with a slash": lambda idp: idp.token(iss=f"{idp.issuer}/"),
    "iss missing": claiming(iss=None),
    "iss in a list": lambda idp: idp.token(iss=[idp.issuer]),
    "aud missing": claiming(aud=None),
    "aud empty": claiming(aud=[]),
    "aud blank": claiming(aud=""),
    "aud of another": claiming(aud="https://api.example"),
    "aud of the host": claiming(aud="http://testserver"),
    "aud below": claiming(aud=f"{MCP}/more"),
    "aud beside": claiming(aud=f"{MCP}-b"),
    "aud as an object": claiming(aud={MCP: True}),
    "aud in a list in a list": claiming(aud=[[MCP]]),
    "aud with a star": claiming(aud="*"),
    "exp missing": claiming(exp=None),
    "exp past": claiming(exp=NOW - 3600),
    "exp a text": claiming(exp="tomorrow"),
    "exp true": claiming(exp=True),
    "exp a list": claiming(exp=[NOW + 300]),
    "exp infinite": raw("{" + GOOD.replace("%d", "1e999") + "}"),
    "exp NaN": raw("{" + GOOD.replace("%d", "NaN") + "}"),
    "exp enormous": raw("{" + GOOD.replace("%d", "9" * 4000) + "}"),
    "exp too long for a number": raw("{" + GOOD.replace("%d", "9" * 4500) + "}"),
    "exp twice": raw("{" + GOOD + ',"exp":1}'),
    "aud twice": raw("{" + GOOD + f',"aud":"{MCP}"}}'),
    "nbf future": claiming(nbf=NOW + 3600),
    "nbf a text": claiming(nbf="now"),
    "iat future": claiming(iat=NOW + 3600),
    "sub missing": claiming(sub=None),
    "sub empty": raw("{" + GOOD.replace("f3c1", "") + "}"),
    "sub a number": raw("{" + GOOD.replace('"f3c1"', "7") + "}"),
    "sub too long": claiming(sub="f" * 256),
    "sub with NUL": claiming(sub="f3c1\x00"),
    "sub of other letters": claiming(sub="f3c1\u0430"),
    "an ID token by its nonce": claiming(nonce="n"),
    "an ID token by its at_hash": claiming(at_hash="h"),
    "an ID token by its typ": claiming(typ="ID"),
    "an ID token by its token_use": claiming(token_use="id"),
    "an ID token that has no scopes": lambda idp: idp.token(headers={"typ": "JWT"}, scope=None),
    "no typ and no scopes": lambda idp: idp.token(headers={"typ": None}, scope=None),
    "a refresh token": claiming(typ="Refresh"),
    "bound to a key": claiming(cnf={"jkt": "x"}),
    "client with no name": claiming(client_id=["editor"]),
    "claims a list": raw("[]"),
    "claims no JSON": raw("{"),
    "claims deep": raw('{"a":' * 100 + "1" + "}" * 100),
    "claims with NUL": raw("{" + GOOD + ',"x":"\0"}'),
    "too long": claiming(more="x" * 9000),
    "cut short": lambda idp: idp.token()[:-20],
    "no signature": lambda idp: idp.token().rpartition(".")[0] + ".",
    "five parts": lambda idp: idp.token() + ".a.b",
    "two parts": lambda idp: idp.token().rpartition(".")[0],
}


@pytest.mark.parametrize("attack", ATTACKS)
async def test_what_the_provider_has_not_issued_for_here_is_refused(
    door: Door, idp: IdentityProvider, linked: Person, attack: str, caplog: Any
) -> None:
    caplog.set_level(logging.DEBUG)
    idp.keys = [public_jwk("rsa"), public_jwk("ec")]
    token = ATTACKS[attack](idp)

    refused(await door.calling(token, "look"))
    assert token not in caplog.text
    assert idp.asked["/theirs"] == 0
    assert idp.asked[KEYS] <= 1


async def test_clocks_may_differ_a_little(
    door: Door, idp: IdentityProvider, linked: Person
) -> None:
    now = int(time.time())
    near = idp.token(exp=now - 5, nbf=now + 20, iat=now + 20)

    assert (await door.calling(near, "look")).status == 200


@pytest.mark.parametrize("typ", ["at+jwt", "application/at+jwt", "AT+JWT", "JWT", None])
async def test_an_access_token_by_whatever_type(
    door: Door, idp: IdentityProvider, linked: Person, typ: str | None
) -> None:
    assert (await door.calling(idp.token(headers={"typ": typ}), "look")).status == 200


@pytest.mark.parametrize(
    "jwk",
    [
        {"use": "enc"},
        {"key_ops": ["sign"]},
        {"alg": "RS512"},
        {"alg": "HS256"},
        {"kty": "oct", "k": "c2VjcmV0"},
        {"kty": "EC"},
        {"n": "AQAB"},
        {"n": None},
        {"n": 7},
        {"kid": 7},
        {"d": "AQAB"},
    ],
    ids=str,
)
async def test_a_key_that_is_not_for_signatures_verifies_none(
    door: Door, idp: IdentityProvider, linked: Person, jwk: dict[str, Any]
) -> None:
    idp.keys = [None, "key", public_jwk("rsa", **jwk)]

    refused(await door.calling(idp.token(), "look"))


@pytest.mark.filterwarnings("ignore::UserWarning")
async def test_a_key_that_is_too_short_verifies_nothing(
    door: Door, idp: IdentityProvider, linked: Person
) -> None:
    idp.keys = [public_jwk("short")]

    refused(await door.calling(idp.token("short"), "look"))


async def test_algorithms_can_be_fewer(
    door: Door, idp: IdentityProvider, linked: Person, trusting: Any
) -> None:
    trusting(ALGORITHMS=["ES256"])
    idp.keys = [public_jwk("rsa"), public_jwk("ec")]

    refused(await door.calling(idp.token("rsa"), "look"))
    assert (await door.calling(idp.token("ec"), "look")).status == 200


async def test_audiences_can_be_named(
    door: Door, idp: IdentityProvider, linked: Person, trusting: Any
) -> None:
    trusting(AUDIENCES=["api://desk", "4f1c"])

    assert (await door.calling(idp.token(aud="api://desk"), "look")).status == 200
    assert (await door.calling(idp.token(aud=["account", "4f1c"]), "look")).status == 200
    refused(await door.calling(idp.token(aud=MCP), "look"))
    refused(await door.calling(idp.token(aud="api://desk/"), "look"))


@pytest.mark.parametrize("audience", [f"{MCP}/", "http://TESTSERVER:80/mcp", [MCP, "account"]])
async def test_the_endpoint_written_in_another_way_is_the_same(
    door: Door, idp: IdentityProvider, linked: Person, audience: Any
) -> None:
    assert (await door.calling(idp.token(aud=audience), "look")).status == 200


async def test_a_token_for_one_server_is_none_for_its_neighbour(
    server: MCPServer, door: Door, idp: IdentityProvider, linked: Person
) -> None:
    mounts = [
        mount("mcp", server, authenticate=bearer),
        mount("mcp-b", server_named("other"), authenticate=bearer),
    ]
    both = AsgiDoor("both", MCPRouter(mounts, ASGIHandler()))
    message = envelope("tools/list")
    headers = headers_for(message, authorization=f"Bearer {idp.token()}")

    for path, status in [("/mcp", 200), ("/mcp-b", 401)]:
        reply = await both.send(
            Request(path=path, headers=headers, body=json.dumps(message).encode())
        )
        assert reply.status == status, path


async def test_clients_can_be_named(
    door: Door, idp: IdentityProvider, linked: Person, trusting: Any
) -> None:
    trusting(CLIENTS=["editor"])

    assert (await door.calling(idp.token(), "look")).status == 200
    assert (await door.calling(idp.token(client_id=None, azp="editor"), "look")).status == 200
    refused(await door.calling(idp.token(client_id="other"), "look"))
    refused(await door.calling(idp.token(client_id=None), "look"))
    refused(await door.calling(idp.token(client_id="other", azp="editor"), "look"))


@hypothesis_settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(place=st.integers(min_value=0), letter=st.sampled_from("AQgw_-.~+/=aZ09"))
def test_no_letter_of_a_token_can_be_another(
    door: Door, idp: IdentityProvider, linked: Person, place: int, letter: str
) -> None:
    good = _one_token(idp)
    place %= len(good)
    changed = good[:place] + letter + good[place + 1 :]

    reply = async_to_sync(door.calling)(changed, "look")
    assert reply.status == (200 if changed == good else 401)


def _one_token(idp: IdentityProvider) -> str:
    if not hasattr(idp, "one"):
        idp.one = idp.token()  # type: ignore[attr-defined]
    return str(idp.one)  # type: ignore[attr-defined]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=5,
)
CLAIMS = ("iss", "sub", "aud", "exp", "nbf", "iat", "cnf", "typ", "token_use", "client_id", "scp")


@hypothesis_settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(name=st.sampled_from(CLAIMS), value=JSON)
def test_whatever_a_claim_is_nobody_gets_an_error_of_the_server(
    door: Door, idp: IdentityProvider, linked: Person, name: str, value: Any
) -> None:
    said = {**idp.claims(), name: value}
    token = signed(json.dumps(said).encode())

    reply = async_to_sync(door.calling)(token, "look")
    assert reply.status in (
        {200, 401} if name in ("exp", "nbf", "iat", "client_id", "scp") else {401}
    )


# Several at once


async def test_personal_tokens_and_this_projects_own_still_let_in(
    door: Door, idp: IdentityProvider, linked: Person, tokens: dict[str, Any]
) -> None:
    issue = sync_to_async(personal.issue)
    _, secret = await issue(linked.user, name="cron", resource=MCP, scopes=["mcp:read"], days=1)

    for token in (idp.token(), secret, tokens["access_token"]):
        assert (await door.calling(token, "look")).status == 200
    assert idp.asked["/introspect"] == 0


async def test_where_pyjwt_is_missing_the_log_says_what_to_do(
    door: Door,
    idp: IdentityProvider,
    linked: Person,
    trusting: Any,
    monkeypatch: pytest.MonkeyPatch,
    caplog: Any,
) -> None:
    monkeypatch.setitem(sys.modules, "django_mcp.oauth.external.signed", None)

    refused(await door.calling(idp.token(), "look"))
    assert 'pip install "django-mcp-channels[jwt]"' in caplog.text
