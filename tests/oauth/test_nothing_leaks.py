"""A whole life of tokens, recorded: no secret of it is anywhere but where it was handed out."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.db import OperationalError, connection, transaction
from django.test import Client as Browser

from django_mcp import Context, MCPServer
from django_mcp.backends.journal import journal
from tests.doors import Request, envelope, headers_for
from tests.oauth.conftest import Door, SessionClient
from tests.oauth.people import MCP, Person, Program
from tests.oauth.recorder import Recorder

PAGE = "/oauth/connections/"


@pytest.fixture(autouse=True)
def _kept(settings: Any, _site: None) -> None:
    """A site that keeps whatever it can, and mails what goes wrong."""
    settings.ROOT_URLCONF = "tests.oauth.admin_urls"
    settings.DJANGO_MCP = {"SESSIONS": "database", "AUDIT": True, "AUDIT_ARGUMENTS": "full"}


@pytest.fixture
def recorder(monkeypatch: pytest.MonkeyPatch, _kept: None) -> Recorder:
    made = Recorder()
    made.attach(monkeypatch)
    return made


@pytest.fixture
def server(server: MCPServer) -> MCPServer:
    del server.sessions, server.events

    @server.tool(read_only=True)
    def fail(ctx: Context) -> str:
        """Fail in a thread."""
        mine = (ctx, ctx.principal, ctx.headers, ctx.params)
        raise ValueError(f"{len(mine)} things were seen")

    @server.tool(read_only=True)
    async def fail_at_once(ctx: Context) -> str:
        """Fail on the loop."""
        mine = (ctx, ctx.principal, ctx.headers, ctx.params)
        raise ValueError(f"{len(mine)} things were seen")

    return server


@pytest.fixture
def staff(door: Door) -> Browser:
    person = Person("stella")
    person.user.is_staff = person.user.is_superuser = True
    person.user.save()
    return person.browser


def personal_token(person: Person) -> str:
    """Have a personal token made on the page, and read it there."""
    page = person.browser.get(PAGE).content.decode()
    form = {"name": "cron", "resource": MCP, "scopes": ["mcp:read"], "days": "30"}
    form["csrfmiddlewaretoken"] = _csrf(page)
    made = person.browser.post("/oauth/connections/tokens/", form).content.decode()
    found = re.search(r'<code class="secret">(mcp_pat_[^<]+)</code>', made)
    assert found is not None, made
    return found[1]


def _csrf(page: str) -> str:
    found = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', page)
    assert found is not None, page
    return found[1]


def test_a_life_of_tokens(
    recorder: Recorder, door: Door, anna: Person, program: Program, staff: Browser
) -> None:
    call = async_to_sync(door.calling)

    # It registers, its user consents, and it has tokens.
    program.register(token_endpoint_auth_method="client_secret_post")
    code = anna.allow(program.request(scope="mcp:read"))["code"]
    recorder.knows(secret=program.secret, code=code, verifier=program.verifier)
    first = program.redeem(code).json()
    recorder.knows(first=first["access_token"], refresh=first["refresh_token"])
    assert call(first["access_token"], "look").status == 200

    # It steps up.
    refused = call(first["access_token"], "lend")
    assert refused.status == 403
    recorder.answered("the challenge", refused)
    more = anna.allow(program.request(scope="mcp:read desk:lend desk:stamp"))["code"]
    second = program.redeem(more).json()
    recorder.knows(
        second_code=more, second=second["access_token"], second_refresh=second["refresh_token"]
    )
    assert call(second["access_token"], "lend").status == 200

    # Sessions, tools that fail, and a personal token.
    mine = personal_token(anna)
    recorder.knows(personal=mine)
    for token in (second["access_token"], mine):
        recorder.answered("the answer of what failed", call(token, "fail"))
        recorder.answered("the answer of what failed", call(token, "fail_at_once"))
        async_to_sync(_session)(door, token, recorder)

    # Tokens where none belongs.
    for token in (second["access_token"], mine, second["refresh_token"]):
        for reply in _misplaced(door, token):
            assert reply.status in (400, 401, 404)
            recorder.answered("the answer to what was misplaced", reply)
    recorder.answered("a code too late", program.redeem(code))

    # It refreshes, a thief comes late, and all of it ends.
    third = program.refresh(second["refresh_token"]).json()
    recorder.knows(third=third["access_token"], third_refresh=third["refresh_token"])
    wrong = program.refresh(third["refresh_token"], client_secret="guessed")
    recorder.answered("a wrong secret", wrong)
    recorder.look_into_the_admin(staff)
    recorder.look_into_the_database()
    recorder.answered("revoked", program.ask("/oauth/revoke", token=third["refresh_token"]))
    recorder.answered("replayed", program.refresh(third["refresh_token"]))
    recorder.answered("too late", call(third["access_token"], "look"))
    recorder.answered("the page", anna.browser.get(PAGE))

    journal().flush()
    recorder.look_into_the_admin(staff)
    recorder.look_into_the_database()

    places = {place.split()[0] for place, _ in recorder.said}
    assert places >= {"log", "mail", "signal", "admin", "database", "digests"}
    assert any("fail" in text for place, text in recorder.said if "django_mcp_call" in place)
    assert recorder.leaks() == []


async def _session(door: Door, token: str, recorder: Recorder) -> None:
    client = await SessionClient(door, token).begin()
    recorder.answered("a call of a session", await client.post(client.call("look")))
    recorder.answered("a failure in a session", await client.post(client.call("fail")))
    recorder.answered("the end of a session", await client.end())


def _misplaced(door: Door, token: str) -> Iterator[Any]:
    message = envelope("tools/list")
    body = json.dumps(message).encode()
    send = async_to_sync(door.send)
    plain = headers_for(message)
    yield send(Request(path=f"/mcp?access_token={token}", headers=plain, body=body))
    for header in (
        ("authorization", token),
        ("authorization", f"Basic {token}"),
        ("authorization", f"Token {token}"),
        ("authorization", f"Bearer {token} {token}"),
        ("authorization", f"Bearer {token}x"),
        ("cookie", f"access_token={token}; sessionid={token}"),
        ("x-access-token", token),
        ("mcp-session-id", token),
    ):
        yield send(Request(headers=[*plain, header], body=body))
    doubled = [*plain, ("authorization", f"Bearer {token}"), ("authorization", "Bearer x")]
    yield send(Request(headers=doubled, body=body))


# What goes wrong within


def _call(anna: Person, program: Program, door: Door, known: dict[str, str]) -> None:
    async_to_sync(door.calling)(known["access"], "look")


def _call_with_a_personal_token(
    anna: Person, program: Program, door: Door, known: dict[str, str]
) -> None:
    async_to_sync(door.calling)(known["personal"], "look")


def _session_call(anna: Person, program: Program, door: Door, known: dict[str, str]) -> None:
    async def session() -> None:
        client = SessionClient(door, known["access"])
        await client.initialize()
        client.session = client.session or "0" * 43
        await client.post(client.call("look"))

    async_to_sync(session)()


def _redeem(anna: Person, program: Program, door: Door, known: dict[str, str]) -> None:
    program.redeem(known["code"])


def _refresh(anna: Person, program: Program, door: Door, known: dict[str, str]) -> None:
    program.refresh(known["refresh"])


def _revoke(anna: Person, program: Program, door: Door, known: dict[str, str]) -> None:
    program.ask("/oauth/revoke", token=known["refresh"])


def _consent(anna: Person, program: Program, door: Door, known: dict[str, str]) -> None:
    anna.answer(_Shown(known["page"]))  # type: ignore[arg-type]


def _register(anna: Person, program: Program, door: Door, known: dict[str, str]) -> None:
    other = Program()
    other.http = program.http
    other.register_as(
        {
            "client_name": "B",
            "redirect_uris": ["http://127.0.0.1/cb"],
            "token_endpoint_auth_method": "client_secret_post",
        }
    )


def _make_a_personal_token(
    anna: Person, program: Program, door: Door, known: dict[str, str]
) -> None:
    form = {"name": "c", "resource": MCP, "scopes": ["mcp:read"], "days": "30"}
    anna.browser.post("/oauth/connections/tokens/", {**form, "csrfmiddlewaretoken": known["csrf"]})


class _Shown:
    """A page that was shown before."""

    def __init__(self, text: str) -> None:
        self.content = text.encode()


Step = Callable[[Person, Program, Door, dict[str, str]], None]
STEPS: list[Step] = [
    _call,
    _call_with_a_personal_token,
    _session_call,
    _redeem,
    _refresh,
    _revoke,
    _consent,
    _register,
    _make_a_personal_token,
]


class Breaking:
    """A database that fails at its statement number `at`, and may have reached it or not."""

    def __init__(self, at: int) -> None:
        self.at = at
        self.count = 0

    def __call__(self, execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        self.count += 1
        if self.count == self.at:
            raise OperationalError("the database is away")
        return execute(sql, params, many, context)


@pytest.mark.parametrize("step", STEPS)
def test_a_database_that_goes_away_in_the_middle(
    recorder: Recorder, door: Door, anna: Person, program: Program, step: Step
) -> None:
    program.register(token_endpoint_auth_method="client_secret_post")
    program.http.raise_request_exception = anna.browser.raise_request_exception = False
    tokens = program.connect(anna)
    mine = personal_token(anna)
    known = {
        "access": tokens["access_token"],
        "refresh": tokens["refresh_token"],
        "personal": mine,
        "code": anna.allow(program.request())["code"],
        "page": anna.open(program.request()).content.decode(),
        "csrf": _csrf(anna.browser.get(PAGE).content.decode()),
    }
    secrets = {name: known[name] for name in ("access", "refresh", "personal", "code")}
    recorder.knows(verifier=program.verifier, secret=program.secret, **secrets)
    at, reached = 0, True
    while reached:
        at += 1
        breaking = Breaking(at)
        with transaction.atomic(), connection.execute_wrapper(breaking):
            step(anna, program, door, known)
            transaction.set_rollback(True)
        reached = breaking.count >= at

    assert at > 2
    mails = [text for place, text in recorder.said if place.startswith("mail")]
    assert [text for text in mails if "the database is away" in text and "oauth/" in text]
    assert recorder.leaks() == []
