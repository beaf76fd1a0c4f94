"""manage.py mcp_doctor: each thing that goes wrong between a client and the endpoint has its name.

The endpoint is served by a thread of the test's own. What stands before it is an ASGI application
that does what a badly set up proxy does.
"""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
import threading
from collections.abc import Callable, Iterator
from itertools import count
from typing import Any

import pytest
import uvicorn
from django.core.management import CommandError, call_command

from django_mcp import MCPServer, Principal
from django_mcp.management.doctor.findings import Report, secrets_of
from django_mcp.routing import get_asgi_application, mount
from tests.services import free_port

TOKEN = "right-token-0123456789"
PATIENCE = 30.0
NUMBERS = count()

Application = Callable[..., Any]


def by_token(request: Any) -> Principal | None:
    if request.headers.get("authorization") == f"Bearer {TOKEN}":
        return Principal(id="token:1")
    return None


@contextlib.contextmanager
def served(application: Application) -> Iterator[str]:
    """The origin of a server for `application`, in a thread that ends with the block."""
    port = free_port()
    config = uvicorn.Config(
        application,
        host="127.0.0.1",
        port=port,
        log_level="critical",
        lifespan="off",
        timeout_graceful_shutdown=1,
        ws="none",
    )
    server, listens = uvicorn.Server(config), threading.Event()
    startup = server.startup

    async def start(*args: Any, **kwargs: Any) -> None:
        await startup(*args, **kwargs)
        listens.set()

    server.startup = start  # type: ignore[method-assign]
    thread = threading.Thread(target=lambda: asyncio.run(server.serve()), daemon=True)
    thread.start()
    assert listens.wait(PATIENCE)
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join(PATIENCE)


@pytest.fixture
def server() -> MCPServer:
    # Its own name: servers of other tests may still be there.
    server = MCPServer(f"doctored-{next(NUMBERS)}")

    @server.tool
    def ask() -> str:
        """Ask."""
        return ""

    return server


@pytest.fixture
def project(monkeypatch: pytest.MonkeyPatch) -> None:
    """The settings are another test's subject: here they are all well."""

    async def check(report: Report, *, is_public: bool) -> None:
        report.ok("settings", "Fine.")

    monkeypatch.setattr("django_mcp.management.commands.mcp_doctor.check_project", check)


@pytest.fixture
def endpoint(server: MCPServer, settings: Any, project: None) -> Application:
    settings.DJANGO_MCP = {
        "SESSIONS": "cache",
        "AUTHENTICATION": "django_mcp.authentication.anonymous",
        "ALLOWED_ORIGINS": ["https://app.example.com"],
        "MAX_BODY_BYTES": 100_000,
    }
    return get_asgi_application(mount("mcp", server))


def examined(
    url: str, *arguments: str, verbosity: int = 1, timeout: str = "20"
) -> tuple[list[str], bool]:
    """The lines of the command, and whether all is well. What is to time out has less time."""
    out = io.StringIO()
    arguments = ("--timeout", timeout, *arguments)
    try:
        call_command("mcp_doctor", url, *arguments, stdout=out, no_color=True, verbosity=verbosity)
    except CommandError:
        return out.getvalue().splitlines(), False
    return out.getvalue().splitlines(), True


def wrong_with(
    application: Application, *arguments: str, path: str = "/mcp", timeout: str = "20"
) -> str:
    """The one thing that is wrong."""
    with served(application) as origin:
        lines, well = examined(origin + path, *arguments, verbosity=0, timeout=timeout)
    assert not well
    assert len(lines) == 1, lines
    return lines[0]


# -------------------------------------------------------------------- what stands before a server


def without(name: bytes, application: Application, *, answers: bool = False) -> Application:
    """Takes a header of requests away, or one of answers."""

    async def passing(scope: Any, receive: Any, send: Any) -> None:
        async def sending(message: Any) -> None:
            if answers and "headers" in message:
                message = {**message, "headers": _less(message["headers"], name)}
            await send(message)

        kept = scope["headers"] if answers else _less(scope["headers"], name)
        await application({**scope, "headers": kept}, receive, sending)

    return passing


def _less(headers: Any, name: bytes) -> list[Any]:
    return [(each, value) for each, value in headers if each.lower() != name]


def refusing(method: str, application: Application) -> Application:
    """Refuses a method."""

    async def refuse(scope: Any, receive: Any, send: Any) -> None:
        if scope["method"] == method:
            await _page(send, 405, "Not Allowed")
        else:
            await application(scope, receive, send)

    return refuse


def answering(status: int, text: str = "", *headers: tuple[bytes, bytes]) -> Application:
    """Answers everything itself."""

    async def answer(scope: Any, receive: Any, send: Any) -> None:
        await _page(send, status, text, *headers)

    return answer


async def _page(send: Any, status: int, text: str, *more: tuple[bytes, bytes]) -> None:
    headers = [(b"content-type", b"text/html"), *more]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": text.encode()})


def limited(bytes_: int, application: Application) -> Application:
    """Refuses bodies above a size."""

    async def limit(scope: Any, receive: Any, send: Any) -> None:
        length = dict(scope["headers"]).get(b"content-length", b"0")
        if int(length) > bytes_:
            await _page(send, 413, "Request Entity Too Large")
        else:
            await application(scope, receive, send)

    return limit


def buffering(application: Application) -> Application:
    """Keeps what is written of a stream until it is over."""

    async def passing(scope: Any, receive: Any, send: Any) -> None:
        kept: list[bytes] = []

        async def sending(message: Any) -> None:
            if message["type"] == "http.response.body":
                kept.append(message.get("body", b""))
                if message.get("more_body"):
                    return
                message = {**message, "body": b"".join(kept)}
            await send(message)

        await application(scope, receive, sending)

    return passing


def cutting(application: Application) -> Application:
    """Ends every stream after its first event."""

    async def passing(scope: Any, receive: Any, send: Any) -> None:
        async def sending(message: Any) -> None:
            await send(message)
            if message["type"] == "http.response.body" and message.get("more_body"):
                await send({"type": "http.response.body", "body": b""})
                raise asyncio.CancelledError

        with contextlib.suppress(asyncio.CancelledError):
            await application(scope, receive, sending)

    return passing


# ------------------------------------------------------------------------------------- the tests


def test_where_nothing_is_wrong_every_line_says_so(endpoint: Application) -> None:
    with served(endpoint) as origin:
        lines, well = examined(f"{origin}/mcp", "--idle", "0.2")
        quiet, _ = examined(f"{origin}/mcp", verbosity=0)
    assert well
    assert quiet == []
    kinds = {line.split(" ", 1)[0] for line in lines}
    assert kinds == {"ok", "note"}
    for text in (
        "routing: The endpoint is at",
        "host: The server knows the URL",
        "host: Another host name is refused (421)",
        "origin: A page of https://mcp-doctor.invalid is refused (403)",
        "origin: A page of https://app.example.com is accepted (200)",
        "authentication: Everybody may come in",
        "messages: Clients of 2026-07-28",
        "messages: Clients of 2025-11-25",
        "size: A body of 97 KiB arrives",
        "headers: Mcp-Session-Id comes and goes",
        "headers: Last-Event-ID arrives",
        "streaming: The first event of a stream comes at once",
        "streaming: The stream of a session begins at once",
        "idle: A stream on which little happens is open",
        "processes: Each of 8 connections found the session",
        "processes: The deployment keeps sessions where this process finds them",
        "sessions: A session is ended by its client",
    ):
        assert any(text in line for line in lines), text


@pytest.mark.parametrize(
    ("header", "answers", "found"),
    [
        (b"mcp-protocol-version", False, "headers: The header MCP-Protocol-Version was sent"),
        (b"mcp-method", False, "headers: The header Mcp-Method was sent, and did not arrive"),
        (b"mcp-session-id", False, "headers: The header Mcp-Session-Id was sent"),
        (b"mcp-session-id", True, "headers: initialize is answered without Mcp-Session-Id"),
        (b"last-event-id", False, "headers: The header Last-Event-ID was sent"),
        (b"origin", False, "origin: A page of https://mcp-doctor.invalid may call this server"),
        (b"accept", False, "headers: The Accept header did not arrive"),
    ],
)
def test_a_header_that_is_taken_away_is_named(
    endpoint: Application, header: bytes, answers: bool, found: str
) -> None:
    # Without this header a stream is opened, which nothing ends.
    timeout = "5" if header == b"last-event-id" else "20"
    with served(without(header, endpoint, answers=answers)) as origin:
        lines, well = examined(f"{origin}/mcp", verbosity=0, timeout=timeout)
    assert not well
    assert any(found in line for line in lines), lines


@pytest.mark.parametrize(
    ("status", "text", "headers", "found"),
    [
        (404, "<title>Not Found</title>", [], "Nothing is there (404, a page titled 'Not Found')"),
        (405, "", [], "405: what is there takes no POST"),
        (200, "<title>Shop</title>", [], "A page for people answers (200, a page titled 'Shop')"),
        (200, '<input type="password">', [], "A login page answers (200)"),
        (302, "", [(b"location", b"/accounts/login/?next=/mcp")], "to log in. Clients cannot"),
        (301, "", [(b"location", b"/mcp/")], "which differs by a slash"),
        (400, "<h1>Bad Request (400)</h1>", [], "Django refuses the host name '127.0.0.1'"),
        (403, "CSRF verification failed.", [], "Django asks for a CSRF token"),
        (502, "Bad Gateway", [], "502: the proxy gets no answer"),
        (500, "", [], "The server fails (500)"),
    ],
)
def test_what_answers_in_the_place_of_the_endpoint_is_told_apart(
    project: None, status: int, text: str, headers: Any, found: str
) -> None:
    line = wrong_with(answering(status, text, *headers))
    assert line.startswith("wrong routing: ")
    assert found in line


def test_a_path_without_a_route_is_said_to_be_one(endpoint: Application) -> None:
    assert "routing: Nothing is there (404" in wrong_with(endpoint, path="/nothing")


def test_a_limit_of_the_proxy_is_found(endpoint: Application) -> None:
    line = wrong_with(limited(50_000, endpoint))
    assert "size: A body of 97 KiB, which the server would take, does not arrive (413)" in line


@pytest.mark.parametrize("method", ["GET", "DELETE"])
def test_a_method_that_is_refused_is_found(endpoint: Application, method: str) -> None:
    assert f"{method} is refused on the way (405)" in wrong_with(refusing(method, endpoint))


def test_buffering_is_proved_by_what_comes_at_the_end(endpoint: Application) -> None:
    line = wrong_with(buffering(endpoint), timeout="5")
    assert "streaming: Streams are buffered: the first event came only when" in line


def test_buffering_is_found_without_sessions(
    endpoint: Application, server: MCPServer, settings: Any
) -> None:
    settings.DJANGO_MCP = {**settings.DJANGO_MCP, "SESSIONS": None}
    line = wrong_with(buffering(endpoint), timeout="5")
    assert "streaming: The first event of a stream, which is written at once, did not" in line


def test_a_stream_that_is_cut_off_is_found(endpoint: Application) -> None:
    with served(cutting(endpoint)) as origin:
        lines, well = examined(f"{origin}/mcp", "--idle", "20", verbosity=0)
    assert not well
    assert any("idle: A stream on which little happens was cut off within 20 s" in x for x in lines)


def test_every_host_is_too_many(endpoint: Application, settings: Any) -> None:
    settings.ALLOWED_HOSTS = ["*"]
    line = wrong_with(endpoint)
    assert "host: A request for the host 'mcp-doctor.invalid' is answered (200)" in line


def test_a_host_that_is_not_allowed_is_named(endpoint: Application, settings: Any) -> None:
    settings.ALLOWED_HOSTS = ["example.com"]
    assert "host: The server does not answer to this host name (421)" in wrong_with(endpoint)


def test_a_server_that_believes_to_be_elsewhere_is_found(
    endpoint: Application, settings: Any
) -> None:
    settings.ALLOWED_HOSTS = ["inner", "127.0.0.1"]

    async def renaming(scope: Any, receive: Any, send: Any) -> None:
        headers = [(b"host", b"inner:9"), *_less(scope["headers"], b"host")]
        await endpoint({**scope, "headers": headers}, receive, send)

    with served(renaming) as origin:
        lines, _ = examined(f"{origin}/mcp", verbosity=0)
    assert any("and believes that it is 'inner:9'" in line for line in lines)


def test_a_session_that_another_process_does_not_know_is_found(
    endpoint: Application, server: MCPServer, settings: Any
) -> None:
    other = MCPServer("doctored-elsewhere")
    another = get_asgi_application(mount("mcp", other))

    async def by_turns(scope: Any, receive: Any, send: Any) -> None:
        in_session = b"mcp-session-id" in dict(scope["headers"])
        await (another if in_session else endpoint)(scope, receive, send)

    line = wrong_with(by_turns)
    assert "sessions: A session that was just opened is not known to the next request" in line


# ------------------------------------------------------------------------------- authentication


@pytest.fixture
def guarded(endpoint: Application, server: MCPServer, settings: Any) -> Application:
    settings.DJANGO_MCP = {**settings.DJANGO_MCP, "AUTHENTICATION": f"{__name__}.by_token"}
    return get_asgi_application(mount("mcp", server))


def test_with_the_right_token_all_is_looked_at_and_it_is_never_printed(
    guarded: Application,
) -> None:
    with served(guarded) as origin:
        lines, well = examined(f"{origin}/mcp", "--token", TOKEN)
        without_one, _ = examined(f"{origin}/mcp")
    assert well
    assert any("authentication: The token is accepted." in line for line in lines)
    assert any("sessions: A session is ended" in line for line in lines)
    assert TOKEN not in "\n".join(lines)
    assert without_one[-1].startswith("note  authentication: Without a token, nothing more")


def test_a_wrong_token_and_one_that_does_not_arrive_are_told_apart(guarded: Application) -> None:
    assert "and so it is by the authentication of this process" in wrong_with(
        guarded, "--token", "wrong-token"
    )
    assert "and the authentication of this process takes it" in wrong_with(
        without(b"authorization", guarded), "--header", f"Authorization: Bearer {TOKEN}"
    )


def test_a_challenge_that_got_lost_is_found(guarded: Application) -> None:
    line = wrong_with(without(b"www-authenticate", guarded, answers=True))
    assert "authentication: 401 without WWW-Authenticate" in line


@pytest.mark.parametrize(
    ("change", "found"),
    [
        ({}, None),
        ({"resource": "http://inner/mcp"}, "discovery: http://127.0.0.1"),
        ({"authorization_servers": []}, "names no authorization server"),
        ({"issuer": "https://else.example"}, "says the issuer is 'https://else.example'"),
        ({"code_challenge_methods_supported": []}, 'lacks "S256" in code_challenge_methods'),
        ({"token_endpoint": None}, None),
    ],
)
def test_the_documents_of_discovery_must_say_what_is_so(
    guarded: Application, change: dict[str, Any], found: str | None
) -> None:
    place: list[str] = []

    async def with_documents(scope: Any, receive: Any, send: Any) -> None:
        origin = place[0]
        resource = {"resource": f"{origin}/mcp", "authorization_servers": [f"{origin}/o"]}
        issuer = {
            "issuer": f"{origin}/o",
            "authorization_endpoint": f"{origin}/a",
            "token_endpoint": f"{origin}/t",
            "code_challenge_methods_supported": ["S256"],
        }
        documents = {
            "/.well-known/oauth-protected-resource/mcp": resource,
            "/.well-known/oauth-authorization-server/o": issuer,
        }
        document = documents.get(scope["path"])
        if document is None:
            await guarded(scope, receive, send)
            return
        document.update({key: value for key, value in change.items() if key in document})
        await _page(send, 200, json.dumps(document))

    with served(with_documents) as origin:
        place.append(origin)
        lines, well = examined(f"{origin}/mcp")
    assert well is (found is None), lines
    if found is None:
        assert any("discovery: The authorization server" in line for line in lines)
    else:
        assert any(found in line for line in lines if line.startswith("wrong")), lines


def test_a_closed_endpoint_says_what_to_set(
    endpoint: Application, server: MCPServer, settings: Any
) -> None:
    settings.DJANGO_MCP = {"SESSIONS": "memory"}
    line = wrong_with(get_asgi_application(mount("mcp", server)))
    assert "Nobody is let in (403)" in line
    assert "Set AUTHENTICATION of DJANGO_MCP" in line


# ------------------------------------------------------------------------------ the command itself


def test_what_is_not_there_is_said_to_be_so(project: None) -> None:
    lines, well = examined(f"http://127.0.0.1:{free_port()}/mcp", verbosity=0)
    assert not well
    assert lines[0].startswith("wrong connection: ")
    assert "nothing listens there" in lines[0]


def test_a_port_without_tls_is_said_to_be_so(endpoint: Application) -> None:
    with served(endpoint) as origin:
        [line], well = examined(origin.replace("http://", "https://") + "/mcp", verbosity=0)
    assert not well
    assert line.startswith("wrong tls: ")


def test_json_has_every_finding(project: None) -> None:
    out = io.StringIO()
    url = f"http://127.0.0.1:{free_port()}/mcp"
    with pytest.raises(CommandError, match="1 thing is wrong"):
        call_command("mcp_doctor", url, "--json", stdout=out)
    found = json.loads(out.getvalue())
    assert (found["url"], found["well"]) == (url, False)
    assert found["findings"][0] == {
        "check": "settings",
        "level": "ok",
        "text": "Fine.",
        "advice": "",
    }
    assert found["findings"][1]["check"] == "connection"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["example.com/mcp"], "is no URL of an endpoint"),
        (["http://[::1/mcp"], "is no URL of an endpoint"),
        (["http://127.0.0.1:99999/mcp"], "is no URL of an endpoint"),
        (["http://ada:secret@example.com/mcp"], "Leave the password out"),
        (["--token", "x"], "--token and --header are for a URL"),
        (["http://a/mcp", "--header", "x"], "write it as"),
        (["http://a/mcp", "--idle", "1000"], "to 600 seconds"),
    ],
)
def test_what_makes_no_sense_is_refused(arguments: list[str], message: str) -> None:
    with pytest.raises(CommandError, match=message):
        call_command("mcp_doctor", *arguments)


def test_what_a_server_says_commands_no_terminal_and_repeats_no_secret() -> None:
    report = Report(secrets=secrets_of([f"Bearer {TOKEN}"]))
    report.wrong("x", f"\x1b[2J{TOKEN}\n\u2066\u200fBearer {TOKEN}", "")
    assert report.findings[0].text == " [2J******** ********"


# ------------------------------------------------------------------------------------ the settings


def settings_of() -> list[str]:
    out = io.StringIO()
    with contextlib.suppress(CommandError):
        call_command("mcp_doctor", stdout=out, no_color=True)
    return out.getvalue().splitlines()


@pytest.mark.django_db(transaction=True)
def test_the_database_of_sessions_is_looked_at(settings: Any) -> None:
    settings.DJANGO_MCP = {"SESSIONS": "database"}
    assert any(
        "database" in line and ("in memory" in line or "is there" in line) for line in settings_of()
    )


def test_a_cache_that_keeps_nothing_is_found(settings: Any) -> None:
    settings.DJANGO_MCP = {"SESSIONS": "cache"}
    assert "ok    cache: The cache 'default' keeps what it is given." in settings_of()
    settings.CACHES = {"default": {"BACKEND": "django.core.cache.backends.dummy.DummyCache"}}
    assert any(
        line.startswith("wrong cache: The cache 'default' did not keep") for line in settings_of()
    )


def test_settings_that_cannot_be_read_are_all_there_is_to_say(settings: Any) -> None:
    settings.DJANGO_MCP = {"SESSION": "x"}
    lines = settings_of()
    assert any("django_mcp.E001" in line for line in lines)
    assert not any("routes:" in line for line in lines)


def test_what_a_check_cannot_know_is_a_note_and_what_it_does_is_wrong(settings: Any) -> None:
    settings.DJANGO_MCP = {"SESSIONS": "memory"}
    settings.SECRET_KEY = "django-insecure-x"
    lines = settings_of()
    kinds = {line.split()[2].rstrip(":"): line.split()[0] for line in lines if "settings:" in line}
    assert kinds["django_mcp.W004"] == "wrong"
    assert kinds["django_mcp.W007"] == kinds["django_mcp.W008"] == "note"
    # Nobody else can reach a project of which no URL is given.
    assert kinds["security.W009"] == "note"
