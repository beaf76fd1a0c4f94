"""Tokens that an identity provider is asked about: its answers, how long they count, and silence.

The numbers are those of the table in tests/oauth/README.md.
"""

from __future__ import annotations

import logging
import threading
import time
from base64 import b64encode
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.core.checks import Tags, run_checks

from django_mcp.oauth import conf
from django_mcp.oauth.external import asking, introspection
from django_mcp.oauth.linking import link
from tests.exposure.depot.server import captured_in
from tests.oauth.conftest import Clock, Door
from tests.oauth.identity_provider import (
    INTROSPECT,
    METADATA,
    WRONG,
    IdentityProvider,
    failing,
    identity_provider,
    slow,
)
from tests.oauth.people import Person
from tests.oauth.test_tokens import refused

ASKING = {
    "VERIFY_BY": "introspection",
    "CLIENT_ID": "mcp server",
    "CLIENT_SECRET": "s3cret/&?:",
}


@pytest.fixture(autouse=True)
def linked(idp: IdentityProvider, anna: Person, trusting: Any) -> Person:
    """anna, whom the provider calls f3c1."""
    trusting(**ASKING)
    link(idp.issuer, "f3c1", anna.user)
    return anna


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch, introspection)


def nobody_else_is_asked(settings: Any) -> None:
    """By threads of their own: they would look into a database that they do not share."""
    asked = {"VERIFIERS": ["django_mcp.oauth.external.verify"]}
    settings.DJANGO_MCP_OAUTH = {**settings.DJANGO_MCP_OAUTH, **asked}


async def test_a_token_that_the_provider_calls_active_lets_its_user_in(
    door: Door, idp: IdentityProvider
) -> None:
    reply = await door.calling(idp.opaque(), "hello")

    assert reply.result["structuredContent"] == "anna editor"
    headers, form = idp.seen[-1]
    assert form == {"token": "opaque", "token_type_hint": "access_token"}
    known_by = b64encode(b"mcp+server:s3cret%2F%26%3F%3A").decode()
    assert headers["Authorization"] == f"Basic {known_by}"


async def test_the_secret_can_go_into_the_form(
    door: Door, idp: IdentityProvider, trusting: Any
) -> None:
    trusting(**ASKING, CLIENT_AUTHENTICATION="post")
    assert (await door.calling(idp.opaque(), "look")).status == 200

    headers, form = idp.seen[-1]
    assert (form["client_id"], form["client_secret"]) == ("mcp server", "s3cret/&?:")
    assert "Authorization" not in headers


async def test_where_to_ask_can_be_said(door: Door, idp: IdentityProvider, trusting: Any) -> None:
    trusting(**ASKING, INTROSPECTION_URL=idp.origin + INTROSPECT)

    assert (await door.calling(idp.opaque(), "look")).status == 200
    assert idp.asked[METADATA] == 0


async def test_a_token_costs_one_query_and_the_provider_one_question_a_minute(
    door: Door, idp: IdentityProvider, clock: Clock
) -> None:
    token = idp.opaque()
    await door.calling(token, "hello")
    for _ in range(3):
        statements = await captured_in(door.calling(token, "hello"))
        assert len(statements) == 1, statements

    assert (idp.asked[METADATA], idp.asked[INTROSPECT]) == (1, 1)
    clock.passes(introspection.GOOD)
    await door.calling(token, "hello")
    assert idp.asked[INTROSPECT] == 2


async def test_a_signed_token_is_asked_about_where_the_setting_says_so(
    door: Door, idp: IdentityProvider
) -> None:
    token = idp.opaque(idp.token())

    assert (await door.calling(token, "look")).status == 200
    assert idp.asked["/keys"] == 0


async def test_scopes_of_an_answer_limit_the_user(door: Door, idp: IdentityProvider) -> None:
    token = idp.opaque(scope="mcp:read")

    assert (await door.calling(token, "look")).status == 200
    assert (await door.calling(token, "write", text="x")).status == 403


# 94


async def test_a_token_that_was_taken_back_is_dead_within_a_minute(
    door: Door, idp: IdentityProvider, clock: Clock
) -> None:
    token = idp.opaque()
    await door.calling(token, "look")
    idp.said_of.clear()

    clock.passes(introspection.GOOD)
    refused(await door.calling(token, "look"))


async def test_a_token_ends_when_it_ends_and_not_when_its_answer_does(
    door: Door, idp: IdentityProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = idp.opaque(exp=int(time.time()) + 20)
    assert (await door.calling(token, "look")).status == 200
    idp.said_of.clear()

    clock = Clock(monkeypatch, introspection, start=time.monotonic())
    clock.passes(25)
    refused(await door.calling(token, "look"))


async def test_a_token_that_is_none_is_asked_about_once_in_a_while(
    door: Door, idp: IdentityProvider, clock: Clock
) -> None:
    for _ in range(5):
        refused(await door.calling("opaque", "look"))
    assert idp.asked[INTROSPECT] == 1

    idp.opaque()
    clock.passes(introspection.NOT_GOOD)
    assert (await door.calling("opaque", "look")).status == 200


@pytest.mark.parametrize(
    "said",
    [
        {"active": False},
        {"active": "true"},
        {"active": 1},
        {"active": None},
        {"aud": None},
        {"aud": []},
        {"aud": "https://api.example"},
        {"aud": "*"},
        {"sub": None},
        {"sub": ""},
        {"iss": "https://elsewhere.example"},
        {"exp": 1},
        {"exp": "never"},
        {"nbf": 2**40},
        {"iat": 2**40},
        {"token_type": "DPoP"},
        {"token_type": "refresh_token"},
        {"typ": "Refresh"},
        {"typ": "ID"},
        {"token_use": "refresh_token"},
        {"nonce": "n"},
        {"cnf": {"jkt": "x"}},
    ],
    ids=str,
)
async def test_an_answer_that_does_not_let_in(
    door: Door, idp: IdentityProvider, said: dict[str, Any]
) -> None:
    answer = {**idp.claims(active=True, token_type="Bearer"), **said}
    idp.said_of["opaque"] = {name: value for name, value in answer.items() if value is not None}

    refused(await door.calling("opaque", "look"))


async def test_issuer_and_end_may_be_left_out_of_an_answer(
    door: Door, idp: IdentityProvider
) -> None:
    assert (await door.calling(idp.opaque(iss=None, exp=None, iat=None), "look")).status == 200


@pytest.mark.parametrize("path", [METADATA, INTROSPECT])
@pytest.mark.parametrize("wrong", WRONG)
async def test_a_provider_that_is_not_well_lets_nobody_in(
    door: Door,
    idp: IdentityProvider,
    path: str,
    wrong: str,
    caplog: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    caplog.set_level(logging.DEBUG)
    monkeypatch.setattr(asking, "DEADLINE", 0.5)
    token = idp.opaque("a-token-that-nobody-may-see")
    idp.behaviours[path] = WRONG[wrong]

    refused(await door.calling(token, "look"))
    errors = [each.getMessage() for each in caplog.records if each.levelno == logging.ERROR]
    assert [each for each in errors if idp.issuer in each and "cannot be asked" in each]
    assert token not in caplog.text
    assert "s3cret" not in caplog.text
    assert idp.asked["/elsewhere"] == 0


async def test_a_provider_that_is_down(
    door: Door, idp: IdentityProvider, trusting: Any, caplog: Any
) -> None:
    idp.issuer = "http://127.0.0.1:9/realms/acme"
    trusting(**ASKING)

    refused(await door.calling("opaque", "look"))
    assert "http://127.0.0.1:9/realms/acme cannot be asked about a token" in caplog.text


async def test_answers_outlive_a_provider_that_does_not_answer(
    door: Door, idp: IdentityProvider, clock: Clock
) -> None:
    token, other = idp.opaque(), idp.opaque("other")
    assert (await door.calling(token, "look")).status == 200
    idp.behaviours[INTROSPECT] = failing

    refused(await door.calling(other, "look"))
    assert (await door.calling(token, "look")).status == 200
    del idp.behaviours[INTROSPECT]
    refused(await door.calling(other, "look"))
    clock.passes(introspection.LEFT_ALONE)
    assert (await door.calling(other, "look")).status == 200


def test_many_who_come_to_a_slow_provider_wait_no_longer_than_one(
    door: Door, idp: IdentityProvider, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each with a token of its own. What keeps them from waiting one after the other is that the
    provider is left alone once it has not answered."""
    nobody_else_is_asked(settings)
    monkeypatch.setattr(asking, "DEADLINE", 0.5)
    idp.behaviours[INTROSPECT] = slow
    seen = _at_once(door, [f"opaque{number}" for number in range(30)])

    assert seen == [401] * 30
    assert 1 <= idp.asked[INTROSPECT] <= introspection.AT_ONCE


def test_of_many_with_one_token_one_asks(door: Door, idp: IdentityProvider, settings: Any) -> None:
    nobody_else_is_asked(settings)
    seen = _at_once(door, ["unknown"] * 30)

    assert seen == [401] * 30
    assert idp.asked[INTROSPECT] == 1


def _at_once(door: Door, tokens: list[str]) -> list[int]:
    ready = threading.Barrier(len(tokens))
    seen: list[int] = []

    def call(token: str) -> None:
        ready.wait(30)
        seen.append(async_to_sync(door.calling)(token, "look").status)

    threads = [threading.Thread(target=call, args=[token]) for token in tokens]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    return seen


async def test_there_is_an_end_to_what_is_kept(
    door: Door, idp: IdentityProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(introspection, "MOST", 2)
    for token in ("a", "b", "c", "a"):
        await door.calling(idp.opaque(token), "look")
    assert idp.asked[INTROSPECT] == 4

    for number in range(5):
        refused(await door.calling(f"made-up-{number}", "look"))
    await door.calling("a", "look")
    assert idp.asked[INTROSPECT] == 9, "what strangers make up drives out no answer that is good"


async def test_no_provider_is_shown_a_token_of_another(
    door: Door, idp: IdentityProvider, settings: Any, tokens: dict[str, Any]
) -> None:
    """Nor one of this project's own."""
    with identity_provider() as second:
        providers = {idp.issuer: ASKING, second.issuer: ASKING}
        settings.DJANGO_MCP_OAUTH = {
            **settings.DJANGO_MCP_OAUTH,
            "IDENTITY_PROVIDERS": providers,
        }
        assert (await door.calling(idp.opaque(idp.token()), "look")).status == 200
        assert (await door.calling(tokens["access_token"], "look")).status == 200
        refused(await door.calling("mcp_pat_x.00000000", "look"))
        refused(await door.calling(idp.token(iss="https://elsewhere.example"), "look"))

        assert (idp.asked[INTROSPECT], second.asked[INTROSPECT]) == (1, 0)
        await door.calling(second.opaque(), "look")
        assert (idp.asked[INTROSPECT], second.asked[INTROSPECT]) == (2, 1)


def test_the_secret_is_shown_nowhere(idp: IdentityProvider, settings: Any) -> None:
    wrong = [
        {**ASKING, "CLIENT_SECRET": ["s3cret/&?:"]},
        {**ASKING, "CLIENT_SECRETS": "s3cret/&?:"},
        {**ASKING, "CLIENT_ID": ["s3cret/&?:"]},
        {**ASKING, "INTROSPECTION_URL": "https://me:s3cret@idp.example/"},
        "s3cret",
    ]
    said = repr(conf.providers()) + repr(conf.get())
    for options in wrong:
        settings.DJANGO_MCP_OAUTH = {"IDENTITY_PROVIDERS": {idp.issuer: options}}
        found = run_checks(tags=[Tags.compatibility])
        messages = [each for each in found if each.id == "django_mcp_oauth.E001"]
        assert messages
        said += repr(messages)
        with pytest.raises(Exception, match="DJANGO_MCP_OAUTH") as caught:
            conf.get()
        said += repr(caught.value)
    settings.DJANGO_MCP_OAUTH = {"IDENTITY_PROVIDERS": {"https://me:s3cret@idp.example": {}}}
    said += repr(run_checks(tags=[Tags.compatibility]))

    assert "s3cret" not in said
