"""What the browser carries: the request's URL, and which answers are believed."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from django_mcp.client.auth import code_flow
from django_mcp.client.auth.code_flow import AuthorizationResponse, Pending, accept, prepare
from django_mcp.client.auth.discovery import Discovery
from django_mcp.client.auth.errors import (
    AuthorizationRefused,
    DiscoveryError,
    IssuerMismatch,
    StateMismatch,
)
from django_mcp.client.auth.metadata import AuthorizationServerMetadata
from django_mcp.client.auth.values import ClientInformation

from .playing import server_metadata

ISSUER = "https://auth.example"
REDIRECT_URI = "http://127.0.0.1:4711/callback"


def discovery(**metadata: Any) -> Discovery:
    return Discovery(
        resource="https://mcp.example/mcp",
        metadata=AuthorizationServerMetadata.model_validate(server_metadata(**metadata)),
    )


def request(*scopes: str, **metadata: Any) -> Pending:
    client = ClientInformation(issuer=ISSUER, client_id="the client")
    return prepare(discovery(**metadata), client, REDIRECT_URI, scopes)


def query(pending: Pending) -> dict[str, str]:
    return {name: value for name, [value] in parse_qs(urlsplit(pending.url).query).items()}


def answer(pending: Pending, **fields: str | None) -> AuthorizationResponse:
    return AuthorizationResponse(**{"code": "the code", "state": pending.state, **fields})


# ----------------------------------------------------------------------------------- the request


def test_the_request_has_what_the_specification_asks_for() -> None:
    pending = request("read", "write")

    assert pending.url.startswith("https://auth.example/authorize?")
    assert query(pending) == {
        "response_type": "code",
        "client_id": "the client",
        "redirect_uri": REDIRECT_URI,
        "state": pending.state,
        "code_challenge": code_flow.code_challenge(pending.code_verifier),
        "code_challenge_method": "S256",
        "resource": "https://mcp.example/mcp",
        "scope": "read write",
    }


def test_a_challenge_is_made_as_in_the_example_of_rfc_7636() -> None:
    verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"

    assert code_flow.code_challenge(verifier) == "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"


def test_no_scope_is_asked_for_where_none_is_known() -> None:
    assert "scope" not in query(request())


def test_offline_access_is_asked_for_together_with_consent() -> None:
    assert query(request("read", "offline_access"))["prompt"] == "consent"
    assert "prompt" not in query(request("read"))


def test_an_endpoint_with_a_query_keeps_it() -> None:
    pending = request(authorization_endpoint="https://auth.example/authorize?tenant=1")

    assert query(pending)["tenant"] == "1"
    assert query(pending)["response_type"] == "code"


def test_no_request_is_like_another() -> None:
    first, second = request(), request()

    assert first.state != second.state
    assert first.code_verifier != second.code_verifier
    assert len(first.code_verifier) >= 43


@pytest.mark.parametrize("methods", [None, [], ["plain"], ["s256"]])
def test_nobody_is_authorized_without_s256(methods: list[str] | None) -> None:
    with pytest.raises(DiscoveryError, match="code_challenge_methods_supported"):
        request(code_challenge_methods_supported=methods)


def test_nobody_is_sent_to_an_endpoint_that_is_not_there() -> None:
    with pytest.raises(DiscoveryError, match="authorization_endpoint"):
        request(authorization_endpoint=None)


def test_what_waits_can_be_written_and_read_again() -> None:
    pending = request("read")

    assert Pending.model_validate_json(pending.model_dump_json()) == pending


# ------------------------------------------------------------------------------------ the answer


def test_an_answer_is_read_from_the_url_the_user_came_back_to() -> None:
    response = AuthorizationResponse.from_url(
        f"{REDIRECT_URI}?code=a%2Bb&state=s&iss=https%3A%2F%2Fauth.example&session=1"
    )

    assert response == AuthorizationResponse(code="a+b", state="s", iss=ISSUER)


@pytest.mark.parametrize(
    "url",
    [
        "?code=a&code=b&state=s",
        "?code=a&state=s&state=s",
        "?iss=https://auth.example&iss=https://evil.example",
        "?" + "&".join(f"x{number}=1" for number in range(100)),
    ],
)
def test_an_answer_that_can_be_read_in_two_ways_is_not_read(url: str) -> None:
    with pytest.raises(StateMismatch):
        AuthorizationResponse.from_url(url)


@pytest.mark.parametrize("promised", [True, False])
def test_an_answer_of_the_right_issuer_is_a_code(promised: bool) -> None:
    pending = request(authorization_response_iss_parameter_supported=promised)

    assert accept(pending, answer(pending, iss=ISSUER)) == "the code"


def test_an_answer_may_do_without_an_issuer_that_nobody_promised() -> None:
    pending = request()

    assert accept(pending, answer(pending)) == "the code"


def test_an_answer_without_the_promised_issuer_is_not_believed() -> None:
    pending = request(authorization_response_iss_parameter_supported=True)

    with pytest.raises(IssuerMismatch, match="promises"):
        accept(pending, answer(pending))


@pytest.mark.parametrize("promised", [True, False])
@pytest.mark.parametrize(
    "iss",
    [
        "https://evil.example",
        "https://auth.example/",
        "https://AUTH.example",
        "https://auth.example:443",
        "https://auth.example/%2E",
        "",
    ],
)
def test_an_issuer_is_compared_letter_for_letter(iss: str, promised: bool) -> None:
    pending = request(authorization_response_iss_parameter_supported=promised)

    with pytest.raises(IssuerMismatch):
        accept(pending, answer(pending, iss=iss))


@pytest.mark.parametrize("state", [None, "", "another", "\u00e9"])
def test_an_answer_with_another_state_is_not_believed(state: str | None) -> None:
    pending = request()

    with pytest.raises(StateMismatch):
        accept(pending, answer(pending, state=state))


def test_an_answer_that_comes_too_late_is_not_believed() -> None:
    pending = request()
    early = pending.model_copy(update={"created_at": pending.created_at - code_flow.LIFETIME - 1})

    with pytest.raises(StateMismatch, match="10 minutes"):
        accept(early, answer(pending))


def test_a_refusal_is_told_in_the_words_of_the_authorization_server() -> None:
    pending = request()
    refusal = answer(
        pending, code=None, error="access_denied", error_description="Not\r\ntoday\x1b[2J"
    )

    with pytest.raises(AuthorizationRefused, match=r"access_denied \(Not  today \[2J\)") as caught:
        accept(pending, refusal)

    assert caught.value.error == "access_denied"


def test_nothing_is_said_of_a_refusal_that_may_come_from_somebody_else() -> None:
    pending = request()
    refusal = answer(pending, iss="https://evil.example", error="call", error_description="0900")

    with pytest.raises(IssuerMismatch) as caught:
        accept(pending, refusal)

    assert "call" not in str(caught.value)
    assert "0900" not in str(caught.value)


def test_an_answer_with_neither_code_nor_error_is_refused() -> None:
    pending = request()

    with pytest.raises(AuthorizationRefused):
        accept(pending, answer(pending, code=None))


def test_what_is_secret_is_not_in_what_is_printed() -> None:
    pending = request()
    response = answer(pending)

    printed = f"{pending!r} {pending} {response!r}"
    for secret in (pending.state, pending.code_verifier, "the code"):
        assert secret not in printed
