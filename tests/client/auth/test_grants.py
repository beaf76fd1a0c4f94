"""What is sent to a token endpoint, how the client is known there, and what the answer becomes."""

from __future__ import annotations

import base64
import time
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from django_mcp.client.auth.client_authentication import Authentication
from django_mcp.client.auth.discovery import Discovery
from django_mcp.client.auth.errors import OAuthError, RegistrationError, RequestFailed, TokenRefused
from django_mcp.client.auth.grants import Grantor, expiry, token_exchange
from django_mcp.client.auth.metadata import AuthorizationServerMetadata
from django_mcp.client.auth.signing import PrivateKey
from django_mcp.client.auth.values import ClientInformation, Tokens

from .playing import form, play, server_metadata

ISSUER = "https://auth.example"
ENDPOINT = f"{ISSUER}/token"
GIVEN = {"access_token": "AT", "token_type": "bearer"}
TOKENS = Tokens(
    access_token="old",
    refresh_token="RT",
    requested_scopes=("read", "write"),
    granted_scopes=("read",),
    issuer=ISSUER,
    resource="https://mcp.example/mcp",
    client_id="me:1",
)


def discovery(**metadata: Any) -> Discovery:
    return Discovery(
        resource="https://mcp.example/mcp",
        metadata=AuthorizationServerMetadata.model_validate(server_metadata(**metadata)),
    )


def client(**fields: Any) -> ClientInformation:
    return ClientInformation(**{"issuer": ISSUER, "client_id": "me:1", **fields})


def grantor(signer: Any = None, offered: Any = ("none",), **fields: Any) -> Grantor:
    return Grantor(
        found=discovery(token_endpoint_auth_methods_supported=offered),
        client=client(**fields),
        signer=signer,
    )


def private_key() -> tuple[str, Any]:
    key = ec.generate_private_key(ec.SECP256R1())
    pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    return pem.decode(), key.public_key()


# ------------------------------------------------------------------------------------- the grants


def test_a_code_becomes_tokens() -> None:
    answer = {**GIVEN, "refresh_token": "RT", "scope": "read", "expires_in": 3600}
    steps = grantor().exchange(
        code="C", code_verifier="V", redirect_uri="http://127.0.0.1/cb", scopes=["read", "write"]
    )

    tokens, [request] = play(steps, {ENDPOINT: answer})

    assert form(request) == {
        "grant_type": "authorization_code",
        "code": "C",
        "code_verifier": "V",
        "redirect_uri": "http://127.0.0.1/cb",
        "resource": "https://mcp.example/mcp",
        "client_id": "me:1",
    }
    assert (tokens.access_token, tokens.refresh_token) == ("AT", "RT")
    assert (tokens.requested_scopes, tokens.granted_scopes) == (("read", "write"), ("read",))
    assert (tokens.issuer, tokens.resource) == (ISSUER, "https://mcp.example/mcp")
    assert not tokens.expired(time.time())
    assert tokens.expired(time.time() + 3600)


def test_a_refresh_keeps_what_is_not_said_anew() -> None:
    tokens, [request] = play(grantor().refresh(TOKENS), {ENDPOINT: GIVEN})

    assert form(request) == {
        "grant_type": "refresh_token",
        "refresh_token": "RT",
        "resource": "https://mcp.example/mcp",
        "client_id": "me:1",
    }
    assert tokens == TOKENS.model_copy(update={"access_token": "AT"})


def test_a_refresh_token_that_comes_takes_the_place_of_the_old_one() -> None:
    tokens, _ = play(grantor().refresh(TOKENS), {ENDPOINT: {**GIVEN, "refresh_token": "RT2"}})

    assert tokens.refresh_token == "RT2"


def test_an_identity_becomes_an_assertion_for_one_server() -> None:
    id_jag = "urn:ietf:params:oauth:token-type:id-jag"
    steps = token_exchange(
        "https://idp.example/token",
        known=Authentication(form={"client_id": "at the idp"}),
        subject_token="ID",
        subject_token_type="urn:ietf:params:oauth:token-type:id_token",
        found=discovery(),
        scopes=["read"],
    )
    answer = {"access_token": "JAG", "token_type": "N_A", "issued_token_type": id_jag}

    assertion, [request] = play(steps, {"https://idp.example/token": answer})

    assert assertion == "JAG"
    assert form(request) == {
        "grant_type": "urn:ietf:params:oauth:grant-type:token-exchange",
        "requested_token_type": id_jag,
        "audience": ISSUER,
        "resource": "https://mcp.example/mcp",
        "scope": "read",
        "subject_token": "ID",
        "subject_token_type": "urn:ietf:params:oauth:token-type:id_token",
        "client_id": "at the idp",
    }


def test_something_else_than_an_assertion_is_not_sent_on() -> None:
    steps = token_exchange(
        "https://idp.example/token",
        known=Authentication(),
        subject_token="ID",
        subject_token_type="x",
        found=discovery(),
        scopes=[],
    )

    with pytest.raises(TokenRefused, match="id-jag"):
        play(steps, {"https://idp.example/token": GIVEN})


# ------------------------------------------------------------------------- how the client is known


def credentials(**arguments: Any) -> Any:
    _, [request] = play(grantor(**arguments).client_credentials([]), {ENDPOINT: GIVEN})
    return request


def test_a_secret_goes_into_the_header_with_both_parts_encoded() -> None:
    request = credentials(client_secret="a b:ü", offered=["client_secret_basic"])

    scheme, _, encoded = request.headers["authorization"].partition(" ")
    assert (scheme, base64.b64decode(encoded)) == ("Basic", b"me%3A1:a+b%3A%C3%BC")
    assert form(request).keys() == {"grant_type", "resource"}


@pytest.mark.parametrize(
    ("offered", "header"),
    [
        (None, True),
        (["client_secret_post"], False),
        (["client_secret_post", "client_secret_basic"], True),
        (["none"], True),
    ],
)
def test_a_secret_goes_where_the_authorization_server_takes_it(
    offered: list[str] | None, header: bool
) -> None:
    request = credentials(client_secret="S", offered=offered)

    assert ("authorization" in request.headers) is header
    assert ("client_secret" in form(request)) is not header


def test_what_was_agreed_counts_more_than_what_is_offered() -> None:
    request = credentials(
        client_secret="S",
        token_endpoint_auth_method="client_secret_post",
        offered=["client_secret_basic"],
    )

    assert form(request)["client_secret"] == "S"


def test_a_key_signs_who_the_client_is_for_the_issuer_alone() -> None:
    pem, public = private_key()
    request = credentials(signer=PrivateKey(pem, key_id="k1"), offered=["private_key_jwt"])

    sent = form(request)
    claims = jwt.decode(sent["client_assertion"], public, ["ES256"], audience=ISSUER)
    assert sent["client_assertion_type"].endswith(":client-assertion-type:jwt-bearer")
    assert "client_id" not in sent
    assert jwt.get_unverified_header(sent["client_assertion"])["kid"] == "k1"
    assert (claims["iss"], claims["sub"]) == ("me:1", "me:1")
    assert claims["exp"] - claims["iat"] == 120


def test_no_assertion_is_used_twice() -> None:
    pem, public = private_key()
    requests = [credentials(signer=PrivateKey(pem), offered=None) for _ in range(2)]

    ids = {
        jwt.decode(form(each)["client_assertion"], public, ["ES256"], audience=ISSUER)["jti"]
        for each in requests
    }
    assert len(ids) == 2


@pytest.mark.parametrize(
    ("pem", "algorithm"), [("no key", "ES256"), ("", "ES256"), ("x", "HS256"), ("x", "none")]
)
def test_a_key_that_cannot_sign_is_told_at_once_and_not_shown(pem: str, algorithm: str) -> None:
    with pytest.raises(OAuthError) as caught:
        PrivateKey(pem, algorithm=algorithm)

    assert "no key" not in str(caught.value)


def test_a_key_of_another_kind_cannot_sign() -> None:
    pem, _ = private_key()

    with pytest.raises(OAuthError, match="RS256") as caught:
        PrivateKey(pem, algorithm="RS256")

    assert pem[60:80] not in str(caught.value)


@pytest.mark.parametrize(
    ("fields", "what"),
    [
        ({"token_endpoint_auth_method": "private_key_jwt"}, "signer"),
        ({"token_endpoint_auth_method": "client_secret_basic"}, "client secret"),
        ({"token_endpoint_auth_method": "tls_client_auth"}, "tls_client_auth"),
    ],
)
def test_a_client_that_cannot_be_known_as_agreed_sends_nothing(
    fields: dict[str, str], what: str
) -> None:
    with pytest.raises(RegistrationError, match=what):
        credentials(**fields)


def test_nothing_of_a_client_is_sent_to_another_issuer() -> None:
    with pytest.raises(RegistrationError, match=r"former\.example"):
        credentials(issuer="https://former.example", client_secret="S")


# -------------------------------------------------------------------------------------- the answer


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        ((400, {"error": "invalid_grant"}), "invalid_grant"),
        ((200, {"error": "invalid_grant", **GIVEN}), "invalid_grant"),
        ((401, b"<html>"), ""),
        ((400, {"error": ["invalid_grant"]}), ""),
        ((400, {"error": "x" * 100}), ""),
        ({**GIVEN, "token_type": "DPoP"}, ""),
    ],
)
def test_a_refusal_has_the_code_of_the_authorization_server(answer: object, error: str) -> None:
    with pytest.raises(TokenRefused) as caught:
        play(grantor().refresh(TOKENS), {ENDPOINT: answer})

    assert caught.value.error == error


@pytest.mark.parametrize(
    "answer",
    [500, 503, 429, 307, {"token_type": "bearer"}, {"access_token": ""}, {**GIVEN, "scope": 1}],
)
def test_what_is_no_answer_is_no_refusal_either(answer: object) -> None:
    with pytest.raises(RequestFailed):
        play(grantor().refresh(TOKENS), {ENDPOINT: answer})


@pytest.mark.parametrize("where", ["error", "error_description"])
@pytest.mark.parametrize("secret", ["RT", "S3CRET"])
def test_a_secret_that_is_sent_back_is_not_shown(where: str, secret: str) -> None:
    answer = {"error": "invalid_grant", where: f"what is {secret}"}
    steps = grantor(client_secret="S3CRET", offered=["client_secret_post"]).refresh(TOKENS)

    with pytest.raises(TokenRefused) as caught:
        play(steps, {ENDPOINT: (400, answer)})

    assert secret not in f"{caught.value} {caught.value.error}"


def test_tokens_that_are_printed_are_not_shown() -> None:
    known = client(client_secret="S3CRET")

    assert "old" not in f"{TOKENS} {TOKENS!r}"
    assert "RT" not in f"{TOKENS} {TOKENS!r}"
    assert "S3CRET" not in f"{known} {known!r}"


def test_tokens_and_clients_can_be_written_and_read_again() -> None:
    known = client(client_secret="S3CRET", redirect_uris=["http://127.0.0.1/cb"])

    assert Tokens.model_validate_json(TOKENS.model_dump_json()) == TOKENS
    assert ClientInformation.model_validate_json(known.model_dump_json()) == known


def test_a_token_is_renewed_before_it_runs_out() -> None:
    now = time.time()

    assert (expiry(3600) or 0) - now == pytest.approx(3570, abs=5)
    assert (expiry(10) or 0) - now == pytest.approx(9, abs=5)
    assert expiry(None) is None


# ---------------------------------------------------------------------------------- giving back

REVOKE = f"{ISSUER}/revoke"


def revoking(answer: object, **metadata: Any) -> tuple[bool, list[dict[str, str]]]:
    """What giving TOKENS back came to, and the forms that were sent."""
    found = discovery(**{"revocation_endpoint": REVOKE, **metadata})
    grantor = Grantor(found=found, client=client(client_secret="S3"))
    done, asked = play(grantor.revoke(TOKENS), {REVOKE: answer})
    return done, [form(request) for request in asked]


def test_both_tokens_are_given_back_and_the_refresh_token_first() -> None:
    done, forms = revoking({}, revocation_endpoint_auth_methods_supported=["client_secret_post"])

    known = {"client_id": "me:1", "client_secret": "S3"}
    assert done
    assert forms == [
        {"token": "RT", "token_type_hint": "refresh_token", **known},
        {"token": "old", "token_type_hint": "access_token", **known},
    ]


def test_where_nothing_can_be_given_back_nothing_is_sent() -> None:
    assert revoking({}, revocation_endpoint=None) == (False, [])


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        ((400, {"error": "unsupported_token_type", "error_description": "no RT"}), TokenRefused),
        (503, RequestFailed),
        (302, RequestFailed),
    ],
)
def test_a_token_that_is_not_ended_is_told(answer: object, error: type[OAuthError]) -> None:
    with pytest.raises(error) as caught:
        revoking(answer)

    assert "RT" not in str(caught.value)
