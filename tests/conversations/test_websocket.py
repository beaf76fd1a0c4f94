"""WebSocket: who may open a socket, which frames are taken, and how a socket is closed."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from django.core.asgi import get_asgi_application as get_django_application

from django_mcp import Context, MCPServer, Principal
from django_mcp.authentication import Refused
from django_mcp.routing import MCPRouter, mount
from django_mcp.server.sessions import NoSessions
from django_mcp.transports import duplex
from tests.conversations.talk import by_name
from tests.lines import INITIALIZED, SocketLine, application_of, introduction, line_to, nobody

RESPONDS = {"extensions": {"websocket.http.response": {}}}


def opened(server: MCPServer, **options: Any) -> Any:
    return line_to("websocket", server, **options)


def a_line(server: MCPServer, authenticate: Any = by_name, **headers: str) -> SocketLine:
    """A client that has not asked for a socket yet."""
    given = {"x-caller": "ada", **headers}
    return SocketLine(application_of("websocket", server, authenticate), given)


async def status_of(line: SocketLine, **scope: Any) -> int:
    """The status a client gets in place of a socket; a server may be unable to give one."""
    plain = SocketLine(line.application, line.headers)
    assert (await plain.open(**scope))["type"] == "websocket.close"
    await plain.ended()

    start = await line.open(**RESPONDS, **scope)
    assert start["type"] == "websocket.http.response.start"
    body = await line.next()
    assert body["type"] == "websocket.http.response.body"
    headers = dict(start["headers"])
    assert headers[b"content-type"] == b"application/json"
    assert headers[b"content-length"] == str(len(body["body"])).encode()
    assert set(json.loads(body["body"])) == {"jsonrpc", "error"}
    assert (b"www-authenticate" in headers) == (start["status"] == 401)
    await line.ended()
    status: int = start["status"]
    return status


async def closed(line: SocketLine) -> dict[str, Any]:
    """What the socket is closed with."""
    with pytest.raises(EOFError) as ending:
        await line.hear()
    await line.ended()
    frame: dict[str, Any] = ending.value.args[0]
    assert frame["type"] == "websocket.close", frame
    return frame


# --------------------------------------------------------------------------------- who is let in


async def test_strangers_are_refused_before_there_is_a_socket(server: MCPServer) -> None:
    async def fail(request: Any) -> Any:
        raise ConnectionError("the password is swordfish")

    def forbid(request: Any) -> Any:
        raise Refused(403, "Not you.")

    assert await status_of(a_line(server, lambda request: None)) == 401
    assert await status_of(a_line(server, forbid)) == 403
    assert await status_of(a_line(server, host="evil.example")) == 421
    assert await status_of(a_line(server, origin="https://evil.example")) == 403
    assert await status_of(a_line(server, origin="null")) == 403
    assert await status_of(a_line(server, fail)) == 503
    assert server.hub.lines == []


async def test_the_subprotocol_has_to_be_offered(server: MCPServer) -> None:
    for offered in ([], ["graphql-ws"], ["MCP"]):
        assert await status_of(a_line(server), subprotocols=offered) == 400
    line = a_line(server)
    accepted = await line.open(subprotocols=["other", "mcp"])
    assert accepted == {"type": "websocket.accept", "subprotocol": "mcp"}
    await line.leave()


@pytest.mark.parametrize(
    ("scheme", "origin"),
    [("ws", "http://testserver"), ("wss", "https://testserver"), ("wss", "https://testserver:443")],
)
async def test_pages_of_the_same_origin_may_open_a_socket(
    server: MCPServer, scheme: str, origin: str
) -> None:
    line = a_line(server, origin=origin)
    assert (await line.open(scheme=scheme))["type"] == "websocket.accept"
    await line.leave()


async def test_the_same_host_with_another_scheme_is_another_origin(server: MCPServer) -> None:
    assert await status_of(a_line(server, origin="https://testserver"), scheme="ws") == 403
    line = a_line(server, origin="http://testserver")
    assert (await line.open(scheme=None))["type"] == "websocket.accept"
    await line.leave()


async def test_an_authentication_sees_the_request_for_the_socket(server: MCPServer) -> None:
    seen: list[Any] = []

    async def authenticate(request: Any) -> Principal:
        seen.append(request)
        return Principal(id="somebody")

    line = a_line(server, authenticate)
    await line.open("/line?token=x", scheme="wss", root_path="")
    await line.leave()
    (request,) = seen
    assert (request.method, request.scheme, request.path) == ("GET", "https", "/line")
    assert (request.query, request.client) == ("token=x", "127.0.0.1")
    assert request.headers["x-caller"] == "ada"
    assert request.native["type"] == "websocket"


async def test_a_header_that_decides_may_come_once(server: MCPServer) -> None:
    line = a_line(server)
    scope = line.scope("websocket", "/line", subprotocols=["mcp"], **RESPONDS)
    scope["headers"].append((b"origin", b"http://testserver"))
    scope["headers"].append((b"origin", b"https://evil.example"))
    line.to_app.put_nowait({"type": "websocket.connect"})
    line.start(scope)
    assert (await line.next())["status"] == 400
    await line.next()
    await line.ended()


async def test_too_many_sockets_are_refused(
    server: MCPServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(duplex, "MAX_OF_ONE", 1)
    async with opened(server, authenticate=by_name, **{"x-caller": "ada"}) as line:
        assert await status_of(a_line(server)) == 429
        assert await line.result("ping") == {}
    async with opened(server, authenticate=by_name, **{"x-caller": "ada"}) as line:
        assert await line.result("ping") == {}


async def test_a_client_that_goes_away_while_it_asks_leaves_nothing(server: MCPServer) -> None:
    line = a_line(server)
    line.to_app.put_nowait(line.departure)
    line.start(line.scope("websocket", "/line", subprotocols=["mcp"]))
    await line.ended()
    assert line.written.empty()


# ------------------------------------------------------------------------------------------ frames


async def test_a_binary_frame_closes_the_socket(server: MCPServer) -> None:
    async with opened(server) as line:
        line.to_app.put_nowait({"type": "websocket.receive", "bytes": b"{}", "text": None})
        assert (await closed(line))["code"] == 1003
    assert server.hub.lines == []


async def test_a_frame_that_is_too_large_closes_the_socket(
    server: MCPServer, settings: Any
) -> None:
    settings.DJANGO_MCP = {"MAX_BODY_BYTES": 300}
    async with opened(server) as line:
        fits = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "ping"}).ljust(300)
        await line.send(fits.encode())
        assert (await line.hear())["result"] == {}
        await line.send(fits.encode() + b" ")
        assert (await closed(line))["code"] == 1009
    assert server.hub.lines == []


async def test_a_server_may_allow_no_codes_but_private_ones(server: MCPServer) -> None:
    class Choosy(SocketLine):
        async def _write(self, message: dict[str, Any]) -> None:
            if message["type"] == "websocket.close" and message["code"] < 3000:
                raise Exception(f"invalid close code {message['code']}")
            await super()._write(message)

    line = Choosy(application_of("websocket", server, by_name), {"x-caller": "ada"})
    await line.connect()
    line.to_app.put_nowait({"type": "websocket.receive", "bytes": b"{}"})
    assert (await closed(line))["code"] == 4003


async def test_half_a_character_is_no_text(server: MCPServer) -> None:
    async with opened(server) as line:
        line.to_app.put_nowait({"type": "websocket.receive", "text": '{"x": "\ud800"}'})
        assert (await line.hear())["error"]["code"] == -32700
        assert await line.result("ping") == {}


async def test_text_of_any_script_goes_both_ways(server: MCPServer) -> None:
    @server.tool
    def echo(text: str) -> str:
        """Echo."""
        return text

    async with opened(server) as line:
        text = "☕ 何でも \u2028 \x00 \ud83d\ude00"
        text = text.encode("utf-16", "surrogatepass").decode("utf-16")
        assert (await line.tool("echo", {"text": text}))["content"][0]["text"] == text


async def test_a_failure_on_the_socket_is_an_internal_error(
    server: MCPServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def fail(*args: Any) -> Any:
        raise RuntimeError("the password is swordfish")

    async with opened(server, version=None) as line:
        monkeypatch.setattr(server, "session_opened", fail)
        await line.say(introduction())
        frame = await closed(line)
        assert (frame["code"], frame["reason"]) == (1011, "")
    assert "Unexpected exception" in caplog.text


async def test_a_server_that_stopped_writing_is_a_client_that_has_gone(server: MCPServer) -> None:
    async with opened(server) as line:

        async def stopped(message: Any) -> None:
            raise RuntimeError("Unexpected ASGI message, after sending 'websocket.close'.")

        line._write = stopped
        router = application_of("websocket", server)
        other = SocketLine(router, {})
        other._write = stopped
        other.to_app.put_nowait({"type": "websocket.connect"})
        other.start(other.scope("websocket", "/line", subprotocols=["mcp"]))
        await other.ended()
        assert len(server.hub.lines) == 1


async def test_sessions_need_no_store() -> None:
    server = MCPServer("test", sessions=NoSessions())
    server.add_resource("memo://a", "a")
    headers = {"x-caller": "ada"}
    async with opened(server, version=None, authenticate=by_name, **headers) as line:
        result = await line.initialize()
        assert result["capabilities"]["resources"] == {"listChanged": True, "subscribe": True}
        assert await line.result("resources/subscribe", {"uri": "memo://a"}) == {}
        server.notify_resource_updated("memo://a")
        assert (await line.hear())["params"] == {"uri": "memo://a"}


async def test_other_processes_need_not_hear_of_sockets(
    server: MCPServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.add_resource("memo://a", "a")
    said: list[Any] = []
    monkeypatch.setattr(server.broker, "reaches_others", True, raising=False)
    monkeypatch.setattr(server.broker, "publish", said.append)

    async def send(message: Any) -> None:
        said.append(message)

    monkeypatch.setattr(server.broker, "send", send)
    async with opened(server) as line:
        await line.say({"jsonrpc": "2.0", "id": "made up", "result": {}})
        await line.say(
            {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 9}}
        )
        assert await line.result("resources/subscribe", {"uri": "memo://a"}) == {}
        assert server.hub.served == frozenset()
    assert said == []


# ----------------------------------------------------------------------------------------- routing


async def test_parameters_of_the_url_reach_the_functions(server: MCPServer) -> None:
    @server.tool
    def where(ctx: Context) -> str:
        """Where."""
        return str(ctx.url_kwargs["org"])

    mounted = mount("orgs/<slug:org>/line", server, transport="websocket", authenticate=by_name)
    line = SocketLine(MCPRouter([mounted], nobody), {"x-caller": "ada"})
    await line.open("/prefix/orgs/acme/line/", root_path="/prefix")
    await line.initialize()
    assert (await line.tool("where"))["content"][0]["text"] == "acme"
    await line.leave()


async def test_a_socket_at_a_path_where_nothing_is_is_refused(server: MCPServer) -> None:
    mounts = [mount("line", server, authenticate=by_name)]
    router = MCPRouter(mounts, get_django_application())
    for path in ("/line", "/nothing"):
        line = SocketLine(router, {})
        assert (await line.open(path))["type"] == "websocket.close"
        await line.ended()
        line = SocketLine(router, {})
        assert (await line.open(path, **RESPONDS))["status"] == 404
        await line.next()
        await line.ended()


async def test_a_project_may_have_sockets_of_its_own(server: MCPServer) -> None:
    async def inner(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.accept", "subprotocol": scope["path"]})

    router = MCPRouter([mount("line", server, transport="websocket")], inner)
    line = SocketLine(router, {})
    assert (await line.open("/own"))["subprotocol"] == "/own"
    await line.ended()


async def test_a_socket_waits_for_nobody_elses_initialize(server: MCPServer) -> None:
    gate = asyncio.Event()

    async def slow(ctx: Context, call_next: Any) -> Any:
        await gate.wait()
        return await call_next(ctx)

    server.middleware = (slow,)
    async with opened(server, version=None) as first, opened(server, version=None) as second:
        for line in (first, second):
            await line.say(introduction())
            await line.say(INITIALIZED)
        gate.set()
        for line in (first, second):
            assert (await line.hear())["id"] == 0
            assert await line.result("ping") == {}


async def test_a_client_that_leaves_during_initialize_takes_it_with_it(server: MCPServer) -> None:
    begun = asyncio.Event()

    async def stuck(ctx: Context, call_next: Any) -> Any:
        begun.set()
        await asyncio.Event().wait()

    server.middleware = (stuck,)
    before = asyncio.all_tasks()
    async with opened(server, version=None) as line:
        await line.say(introduction())
        await asyncio.wait_for(begun.wait(), 10)
        await line.leave()
    assert asyncio.all_tasks() == before
