"""The rules of the endpoint, one by one: what is refused, with which status and code."""

from __future__ import annotations

import asyncio
import gc
import html
import json
import shlex
import weakref
from typing import Any

import pytest

from django_mcp import Context, MCPServer
from django_mcp.authentication import anonymous
from django_mcp.server.sessions import NoSessions
from django_mcp.transports.http.types import read_headers
from tests.conversations.talk import by_name, consumer_of
from tests.doors import META, VERSION, Door, Request, envelope, headers_for

pytestmark = pytest.mark.filterwarnings("error")

#: All that this server speaks, the newest first.
VERSIONS = [VERSION, "2025-11-25", "2025-06-18", "2025-03-26", "2024-11-05"]


@pytest.fixture(autouse=True)
def _add(server: MCPServer) -> None:
    @server.tool
    async def add(a: int, b: int) -> int:
        """Add two numbers."""
        return a + b


def call_add(**more: Any) -> dict[str, Any]:
    return envelope("tools/call", {"name": "add", "arguments": {"a": 1, "b": 2}}, **more)


async def test_a_conforming_request_is_answered_with_json(door: Door) -> None:
    reply = await door.post(call_add(id="x-7"))

    assert reply.status == 200
    assert reply.headers["content-type"] == "application/json"
    assert "mcp-session-id" not in reply.headers
    assert reply.json == {
        "jsonrpc": "2.0",
        "id": "x-7",
        "result": {
            "resultType": "complete",
            "content": [{"type": "text", "text": "3"}],
            "structuredContent": 3,
            "_meta": {META + "serverInfo": {"name": "test", "version": "1.0"}},
        },
    }


@pytest.mark.parametrize("way", ["at once", "waits", "talks"])
async def test_a_request_is_let_go_of_as_soon_as_it_is_answered(
    server: MCPServer, way: str
) -> None:
    @server.tool
    async def look(ctx: Context) -> str:
        """Look, and let others go first."""
        if way == "waits":
            await asyncio.sleep(0)
        elif way == "talks":
            await ctx.report_progress(1)
        return "seen"

    message = envelope("tools/call", {"name": "look", "arguments": {}}, meta={"progressToken": 1})
    door, sent = consumer_of(server), []
    body = json.dumps(message).encode()

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body}

    async def send(part: dict[str, Any]) -> None:
        sent.append(part["type"])

    kept = weakref.ref(receive)
    gc.disable()
    try:
        scope = door.scope(Request(headers=headers_for(message), body=body))
        await asyncio.ensure_future(door.application(scope, receive, send))
        del receive
        pieces = 3 if way == "talks" else 1  # The last one is empty.
        assert sent == ["http.response.start", *["http.response.body"] * pieces]
        assert kept() is None
    finally:
        gc.enable()


# Who may come in at all


@pytest.mark.parametrize("host", ["evil.example.com", "", "testserver.evil.example", "a b", "[::1"])
async def test_a_host_that_is_not_ours_is_misdirected(door: Door, host: str) -> None:
    reply = await door.post(call_add(), host=host)

    # Django's own handler refuses the same with 400 where its middleware looks at the host first.
    assert reply.status in (421, 400)


@pytest.mark.parametrize(
    "origin",
    [
        "http://evil.example.com",
        "null",
        "http://testserver:81",
        "https://",
        "ftp://testserver",
        "https://testserver",
        "http://testserver:443",
        "http://testserver/",
        "http://a@testserver",
    ],
)
async def test_an_origin_that_is_not_allowed_is_forbidden(door: Door, origin: str) -> None:
    reply = await door.post(call_add(), origin=origin)

    assert reply.status == 403
    assert reply.error["code"] == -32600
    assert "id" not in reply.json


@pytest.mark.parametrize(
    "origin", ["http://testserver", "http://TestServer", "http://testserver:80"]
)
async def test_a_page_of_the_same_scheme_host_and_port_may_call(door: Door, origin: str) -> None:
    assert (await door.post(call_add(), origin=origin)).status == 200


async def test_behind_a_proxy_the_scheme_is_the_one_the_client_sees(
    door: Door, settings: Any
) -> None:
    settings.SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    settings.USE_X_FORWARDED_HOST = True
    settings.ALLOWED_HOSTS = ["library.example.com"]

    async def status(origin: str, proto: str) -> int:
        forwarded = {"x_forwarded_host": "library.example.com", "x_forwarded_proto": proto}
        return (await door.post(call_add(), origin=origin, **forwarded)).status

    assert await status("https://library.example.com", "https") == 200
    assert await status("https://library.example.com:443", "https") == 200
    assert await status("http://library.example.com", "https") == 403
    assert await status("https://library.example.com", "http") == 403
    assert await status("http://library.example.com", "http") == 200
    assert await status("http://testserver", "http") == 403


async def test_a_proxy_that_is_not_trusted_says_nothing_of_the_scheme(door: Door) -> None:
    forwarded = {"x_forwarded_proto": "https", "x_forwarded_host": "elsewhere"}
    reply = await door.post(call_add(), origin="https://testserver", **forwarded)

    assert reply.status == 403


@pytest.mark.parametrize("header", ["host", "origin", "authorization", "x-forwarded-host"])
async def test_a_header_that_decides_and_comes_twice_is_refused(
    guarded: Any, settings: Any, header: str
) -> None:
    settings.USE_X_FORWARDED_HOST = True
    asked: list[Any] = []

    def authenticate(request: Any) -> None:
        asked.append(request)

    message = call_add()
    more = [(header, "http://testserver" if header == "origin" else "testserver")]
    headers = [*headers_for(message, **dict(more)), *more]
    for kind in ("consumer", "view"):
        door = guarded(authenticate, kind)
        reply = await door.send(Request(headers=headers, body=json.dumps(message).encode()))

        assert reply.status == 400
    assert asked == []


async def test_a_header_that_decides_nothing_may_come_twice(streaming: Door) -> None:
    message = call_add()
    twice = [("x-forwarded-host", "elsewhere"), ("x-trace", "1")] * 2
    body = json.dumps(message).encode()
    reply = await streaming.send(Request(headers=[*headers_for(message), *twice], body=body))

    assert reply.status == 200


async def test_a_hundred_thousand_headers_that_come_twice_are_counted_in_one_go(
    streaming: Door,
) -> None:
    # Comparing each with every other would be ten thousand million comparisons.
    message = call_add()
    twice = [(f"x-{number}", "1") for number in range(50_000)] * 2
    headers = [*headers_for(message), *twice]
    reply = await streaming.send(Request(headers=headers, body=json.dumps(message).encode()))

    assert reply.status == 200


def test_headers_know_which_of_them_came_more_than_once() -> None:
    raw = [(b"x-%d" % (number % 60_000), b"%d" % number) for number in range(100_000)]
    headers = read_headers(raw)

    assert len(headers) == 60_000
    assert headers["x-0"] == "60000"
    assert headers.repeated == {f"x-{number}" for number in range(40_000)}


async def test_while_debugging_without_hosts_this_machine_is_ours(
    door: Door, settings: Any
) -> None:
    settings.DEBUG, settings.ALLOWED_HOSTS = True, []

    async def status(host: str, origin: str | None = None) -> int:
        return (await door.post(call_add(), host=host, origin=origin)).status

    assert await status("localhost:8000", "http://localhost:8000") == 200
    assert await status("[::1]:8000", "http://[::1]:8000") == 200
    assert await status("localhost:8000", "http://localhost:3000") == 403
    assert await status("library.example.com") in (421, 400)
    settings.DEBUG = False
    assert await status("localhost:8000") in (421, 400)


async def test_a_change_of_the_hosts_counts_at_once(door: Door, settings: Any) -> None:
    async def statuses() -> list[bool]:
        hosts = ("testserver", "library.example.com")
        replies = [await door.post(call_add(), host=h, origin=f"http://{h}") for h in hosts]
        return [reply.status == 200 for reply in replies]

    assert await statuses() == [True, False]
    settings.ALLOWED_HOSTS = ["library.example.com"]
    assert await statuses() == [False, True]
    settings.ALLOWED_HOSTS = ["library.example.com", "testserver"]
    assert await statuses() == [True, True]
    settings.ALLOWED_HOSTS = ["*"]
    assert await statuses() == [False, False]


async def test_a_page_of_an_allowed_origin_may_call(
    settings: Any, server: MCPServer, guarded: Any
) -> None:
    settings.DJANGO_MCP = {"ALLOWED_ORIGINS": ["https://app.example.com"]}
    door = guarded(anonymous)

    assert (await door.post(call_add(), origin="https://app.example.com")).status == 200
    assert (await door.post(call_add(), origin="https://app.example.com.evil")).status == 403


def preflight(**headers: str) -> Request:
    own = {"host": "testserver", "access-control-request-method": "POST"}
    return Request(method="OPTIONS", headers=list({**own, **headers}.items()))


@pytest.mark.parametrize("kind", ["consumer", "view", "wsgi"])
async def test_the_browser_of_an_allowed_page_is_told_so(
    settings: Any, guarded: Any, kind: str
) -> None:
    settings.DJANGO_MCP = {"ALLOWED_ORIGINS": ["https://app.example.com"]}
    door, page = guarded(by_name, kind), {"origin": "https://app.example.com"}
    asked = {"access-control-request-headers": "authorization,content-type,mcp-param-region"}

    before = await door.send(preflight(**page, **asked))
    answer = await door.post(call_add(), **{**page, "x-caller": "ada"})
    refused = await door.post(b"{", **{**page, "x-caller": "ada"})
    turned_away = await door.post(call_add(), **page)

    assert (before.status, before.body) == (204, b"")
    assert "POST" in before.headers["access-control-allow-methods"]
    assert "mcp-param-region" in before.headers["access-control-allow-headers"]
    assert [each.status for each in (answer, refused, turned_away)] == [200, 400, 401]
    for reply in (before, answer, refused, turned_away):
        assert reply.headers["access-control-allow-origin"] == page["origin"]
        assert "Origin" in reply.headers["vary"]
        assert "access-control-allow-credentials" not in reply.headers
    assert "Mcp-Session-Id" in answer.headers["access-control-expose-headers"]


@pytest.mark.parametrize("asked", ["a b", "x" * 3000, "x,", "a\tb"])
async def test_what_a_browser_asks_for_is_not_repeated_unread(
    settings: Any, guarded: Any, asked: str
) -> None:
    settings.DJANGO_MCP = {"ALLOWED_ORIGINS": ["https://app.example.com"]}
    names = {"access-control-request-headers": asked}

    before = await guarded(anonymous).send(preflight(origin="https://app.example.com", **names))

    assert before.status == 204
    assert "access-control-allow-headers" not in before.headers


@pytest.mark.parametrize(
    ("origin", "status"), [("https://evil.example.com", 403), ("http://testserver", 204)]
)
async def test_the_browser_of_any_other_page_is_told_nothing(
    settings: Any, guarded: Any, origin: str, status: int
) -> None:
    settings.DJANGO_MCP = {"ALLOWED_ORIGINS": ["https://app.example.com"]}
    door = guarded(anonymous)

    before = await door.send(preflight(origin=origin))
    answer = await door.post(call_add(), origin=origin)

    assert before.status == status
    for reply in (before, answer):
        assert "access-control-allow-origin" not in reply.headers


async def test_a_wildcard_for_hosts_opens_no_door_to_other_origins(
    door: Door, settings: Any
) -> None:
    settings.ALLOWED_HOSTS = ["*"]

    reply = await door.post(call_add(), host="evil.example.com", origin="http://evil.example.com")

    assert reply.status == 403


@pytest.mark.parametrize("method", ["PUT", "OPTIONS", "HEAD", "PATCH", "GET"])
async def test_a_method_that_is_not_served_is_not_allowed(door: Door, method: str) -> None:
    headers = [("host", "testserver"), ("accept", "application/json")]
    reply = await door.send(Request(method=method, headers=headers))

    assert reply.status == 405
    assert reply.headers["allow"] == ("GET, POST, DELETE" if door.streams else "POST, DELETE")


async def test_where_nothing_can_be_streamed_there_is_nothing_to_get(guarded: Any) -> None:
    headers = [("host", "testserver"), ("accept", "text/event-stream")]
    reply = await guarded(anonymous, "wsgi").send(Request(method="GET", headers=headers))

    assert reply.status == 405
    assert reply.headers["allow"] == "POST, DELETE"


@pytest.mark.parametrize("method", ["GET", "DELETE", "PUT", "OPTIONS", "HEAD", "PATCH"])
@pytest.mark.parametrize("kind", ["consumer", "view", "wsgi"])
async def test_without_sessions_any_method_but_post_is_not_allowed(
    server: MCPServer, guarded: Any, kind: str, method: str
) -> None:
    server.sessions = NoSessions()
    headers = [("host", "testserver"), ("accept", "text/event-stream")]
    reply = await guarded(anonymous, kind).send(Request(method=method, headers=headers))

    assert reply.status == 405
    assert reply.headers["allow"] == "POST"


async def test_a_browser_gets_a_page_that_says_how_to_connect(door: Door) -> None:
    headers = [("host", "testserver"), ("accept", "text/html,application/xhtml+xml,*/*;q=0.8")]
    reply = await door.send(Request(method="GET", headers=headers))

    assert reply.status == 200
    assert reply.headers["content-type"] == "text/html; charset=utf-8"
    assert "default-src 'none'" in reply.headers["content-security-policy"]
    page = reply.body.decode()
    assert "http://testserver/mcp" in page
    assert "claude mcp add" in page


@pytest.mark.parametrize(
    ("accepted", "html", "words"),
    [
        ("de-CH, de;q=0.9", '<html lang="de" dir="ltr">', "Diese Adresse spricht das <a href="),
        ("zh-CN", '<html lang="zh-hans" dir="ltr">', "在终端中："),  # noqa: RUF001
        ("ar", '<html lang="ar" dir="rtl">', "This address speaks the <a href="),
        ("xx", '<html lang="en" dir="ltr">', "This address speaks the <a href="),
    ],
)
async def test_the_page_is_in_the_language_of_the_browser(
    door: Door, accepted: str, html: str, words: str
) -> None:
    headers = [("host", "testserver"), ("accept", "text/html"), ("accept-language", accepted)]
    page = (await door.send(Request(method="GET", headers=headers))).body.decode()

    assert html in page
    assert words in page
    assert "claude mcp add" in page


@pytest.mark.parametrize("how", ["a method that is not served", "a tool that is not there"])
async def test_errors_are_english_in_every_language(door: Door, how: str) -> None:
    async def told(language: str) -> tuple[int, bytes]:
        if how == "a tool that is not there":
            message = envelope("tools/call", {"name": "no", "arguments": {}})
            reply = await door.post(message, accept_language=language)
        else:
            headers = [("host", "testserver"), ("accept-language", language)]
            reply = await door.send(Request(method="PUT", headers=headers))
        return reply.status, reply.body

    assert await told("de") == await told("en")


@pytest.mark.parametrize(
    ("name", "path", "words"),
    [
        ("test", "/mcp", ["test", "http://testserver/mcp"]),
        ("test", "/$(id)`id`;id", ["test", "http://testserver/%24%28id%29%60id%60%3Bid"]),
        ("test", "/a b'id", ["test", "http://testserver/a%20b%27id"]),
        ("test", "/büro", ["test", "http://testserver/b%C3%BCro"]),
        ("test;id", "/mcp", ["test;id", "http://testserver/mcp"]),
        ("it's $(id)", "/mcp", ["it's $(id)", "http://testserver/mcp"]),
    ],
)
async def test_what_is_pasted_into_a_terminal_runs_one_command(
    name: str, path: str, words: list[str]
) -> None:
    door = consumer_of(MCPServer(name), "<path:anywhere>")
    headers = [("host", "testserver"), ("accept", "text/html")]
    # As a server hands it on: decoded.
    page = (await door.send(Request(method="GET", path=path, headers=headers))).body.decode()

    line = html.unescape(page.partition("<pre>claude ")[2].partition("</pre>")[0])
    read = shlex.shlex(line, posix=True, punctuation_chars=True)
    read.whitespace_split = True
    assert list(read) == ["mcp", "add", "--transport", "http", *words]


@pytest.mark.parametrize("content_type", [None, "text/plain", "application/x-www-form-urlencoded"])
async def test_a_body_that_is_no_json_is_an_unsupported_media_type(
    door: Door, content_type: str | None
) -> None:
    assert (await door.post(call_add(), content_type=content_type)).status == 415


@pytest.mark.parametrize("content_type", ["application/json; charset=utf-8", "Application/JSON"])
async def test_the_media_type_may_have_parameters(door: Door, content_type: str) -> None:
    assert (await door.post(call_add(), content_type=content_type)).status == 200


@pytest.mark.parametrize(
    "accept", ["text/html", "text/event-stream", "application/json;q=0, text/*"]
)
async def test_a_client_that_cannot_read_json_is_not_acceptable(door: Door, accept: str) -> None:
    assert (await door.post(call_add(), accept=accept)).status == 406


@pytest.mark.parametrize("accept", [None, "application/json"])
async def test_a_client_that_cannot_read_streams_is_not_acceptable_where_there_are_streams(
    streaming: Door, accept: str | None
) -> None:
    assert (await streaming.post(call_add(), accept=accept)).status == 406


async def test_json_alone_will_do_where_there_are_no_streams(guarded: Any) -> None:
    # In both orders: what was found out of a header for one is not taken for the other.
    for kind, status in [("consumer", 406), ("wsgi", 200), ("consumer", 406)]:
        reply = await guarded(anonymous, kind).post(call_add(), accept="application/json")
        assert reply.status == status


@pytest.mark.parametrize("accept", ["*/*", "application/*, text/*", "text/event-stream;q=0.5, */*"])
async def test_ranges_of_media_types_are_understood(door: Door, accept: str) -> None:
    assert (await door.post(call_add(), accept=accept)).status == 200


async def test_a_body_above_the_limit_is_too_large(settings: Any, guarded: Any) -> None:
    settings.DJANGO_MCP = {"MAX_BODY_BYTES": 1000}
    for kind in ("consumer", "view", "wsgi"):
        door = guarded(anonymous, kind)
        message = call_add()
        message["params"]["arguments"]["c"] = "x" * 1000
        assert (await door.post(message)).status == 413
        assert (await door.post(message, content_length="5000")).status == 413
        assert (await door.post(call_add())).status == 200


# What is in the body


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"\xff\xfe",
        b'{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{"x":NaN}}',
        b'{"jsonrpc":"2.0","id":' + b"9" * 5000 + b',"method":"tools/list"}',
        b"[" * 100_000,
        b'{"jsonrpc":"2.0","id":1,"method":"x","params":{"a":' + b"[" * 100 + b"]" * 100 + b"}}",
    ],
    ids=["empty", "cut", "not-utf8", "nan", "huge-int", "deep", "too-deep"],
)
async def test_what_is_no_json_is_a_parse_error_without_an_id(door: Door, body: bytes) -> None:
    reply = await door.post(body, mcp_method="tools/list")

    assert reply.status == 400
    assert reply.error["code"] == -32700
    assert "id" not in reply.json


@pytest.mark.parametrize(
    "message",
    [
        [],
        [call_add()],
        "text",
        {"jsonrpc": "1.0", "id": None, "method": "tools/list"},
        {"jsonrpc": "2.0", "id": None, "method": "tools/list"},
        {"jsonrpc": "2.0", "id": True, "method": "tools/list"},
        {"jsonrpc": "2.0", "id": 1.5, "method": "tools/list"},
        {"jsonrpc": "2.0", "id": 1, "result": {}},
        {"jsonrpc": "2.0", "method": 5},
        {},
    ],
)
async def test_what_is_no_single_message_is_an_invalid_request(door: Door, message: Any) -> None:
    reply = await door.post(json.dumps(message).encode(), mcp_method="tools/list")

    assert reply.status == 400
    assert reply.error["code"] == -32600
    assert "id" not in reply.json


async def test_a_notification_is_accepted_and_not_answered(door: Door) -> None:
    message = {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 1}}
    reply = await door.post(message)

    assert reply.status == 202
    assert reply.body == b""


# The ladder of the envelope


def without(key: str) -> dict[str, Any]:
    message = call_add()
    del message["params"]["_meta"][META + key]
    return message


async def test_a_request_without_meta_is_invalid_and_told_what_this_server_speaks(
    door: Door,
) -> None:
    message = {"jsonrpc": "2.0", "id": 3, "method": "initialize", "params": {}}
    reply = await door.post(message)

    assert (reply.status, reply.error["code"], reply.json["id"]) == (400, -32602, 3)
    assert VERSION in reply.error["message"]


@pytest.mark.parametrize("key", ["protocolVersion", "clientCapabilities"])
async def test_a_request_without_a_required_field_is_invalid(door: Door, key: str) -> None:
    reply = await door.post(without(key))

    assert (reply.status, reply.error["code"], reply.json["id"]) == (400, -32602, 1)
    assert key in reply.error["message"]


async def test_the_client_may_stay_unnamed(door: Door) -> None:
    assert (await door.post(without("clientInfo"))).status == 200


@pytest.mark.parametrize(
    ("header", "value"),
    [
        ("mcp_protocol_version", None),
        ("mcp_protocol_version", "2025-11-25"),
        ("mcp_method", None),
        ("mcp_method", "tools/list"),
        ("mcp_method", "TOOLS/CALL"),
        ("mcp_name", None),
        ("mcp_name", "subtract"),
        ("mcp_name", "=?base64?YWRk"),
        ("mcp_name", "=?base64?!!!?="),
        ("mcp_name", "=?base64?YWR?="),
    ],
)
async def test_a_header_that_does_not_say_what_the_body_says_is_a_mismatch(
    door: Door, header: str, value: str | None
) -> None:
    reply = await door.post(call_add(), **{header: value})

    assert (reply.status, reply.error["code"], reply.json["id"]) == (400, -32020, 1)


async def test_a_routing_header_sent_twice_is_a_mismatch(door: Door) -> None:
    message = call_add()
    headers = [*headers_for(message), ("mcp-method", "tools/call")]
    reply = await door.send(Request(headers=headers, body=json.dumps(message).encode()))

    assert (reply.status, reply.error["code"]) == (400, -32020)


async def test_a_name_may_come_encoded(door: Door) -> None:
    assert (await door.post(call_add(), mcp_name="=?base64?YWRk?=")).status == 200


async def test_blanks_around_a_header_do_not_count(door: Door) -> None:
    assert (await door.post(call_add(), mcp_name=" add ")).status == 200


async def test_a_version_nobody_knows_is_answered_with_those_that_are_served(door: Door) -> None:
    message = call_add(meta={META + "protocolVersion": "v999.0.0"})
    reply = await door.post(message, mcp_protocol_version="v999.0.0")

    assert (reply.status, reply.error["code"], reply.json["id"]) == (400, -32022, 1)
    assert reply.error["data"] == {"supported": VERSIONS, "requested": "v999.0.0"}


@pytest.mark.parametrize(
    "method",
    [
        "nope",
        "ping",
        "initialize",
        "logging/setLevel",
        "resources/subscribe",
        "tasks/list",
        "Tools/list",
    ],
)
async def test_a_method_this_revision_does_not_have_is_not_found(door: Door, method: str) -> None:
    reply = await door.call(method)

    assert (reply.status, reply.error["code"], reply.json["id"]) == (404, -32601, 1)
    assert reply.error["data"] == method


async def test_the_envelope_is_checked_before_the_method(door: Door) -> None:
    message = envelope("nope", meta={META + "protocolVersion": "v999.0.0"})
    reply = await door.post(message, mcp_protocol_version="v999.0.0")

    assert reply.error["code"] == -32022


@pytest.mark.parametrize(
    "params",
    [{}, {"name": 5}, {"name": "add", "arguments": []}, {"name": "add", "arguments": "a=1"}],
)
async def test_params_that_do_not_fit_the_method_are_invalid(
    door: Door, params: dict[str, Any]
) -> None:
    reply = await door.call("tools/call", params)

    assert (reply.status, reply.error["code"]) == (400, -32602)


async def test_an_unknown_log_level_is_invalid(door: Door) -> None:
    reply = await door.post(call_add(meta={META + "logLevel": "loud"}))

    assert (reply.status, reply.error["code"]) == (400, -32602)
