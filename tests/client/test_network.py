"""The connections under the client's requests: addresses, TLS, what comes too early or too fast."""

from __future__ import annotations

import asyncio
import socket
import ssl
import struct
import traceback
from asyncio.selector_events import BaseSelectorEventLoop
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpcore
import pytest
import uvloop

from django_mcp.client import Client, ConnectionFailed, RequestTimedOut
from django_mcp.client.transports import http_client, network
from django_mcp.client.transports.network import MOST_HELD, MOST_KEPT, Network
from tests.certificates import certificate
from tests.client.fakes import HOST, Fake, Reply, Seen

STATEFUL = ["2025-11-25"]
LOOPS = [asyncio.new_event_loop, uvloop.new_event_loop]


async def echo(seen: Seen, reply: Reply) -> None:
    """A tool that answers with its argument."""
    await reply.text(seen, seen.arguments["text"])


@asynccontextmanager
async def listening(answer: Callable[..., Any], **options: Any) -> AsyncIterator[int]:
    """A server of bytes; its port."""
    tasks: list[asyncio.Task[Any]] = []

    async def answered(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await answer(reader, writer)
        finally:
            writer.transport.abort()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        tasks.append(asyncio.ensure_future(answered(reader, writer)))

    server = await asyncio.start_server(connected, HOST, 0, **options)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.sleep(0)


# ----------------------------------------------------------------------------------------- proxies


@pytest.fixture
def no_proxies(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    return monkeypatch


@pytest.mark.parametrize("name", ["HTTP_PROXY", "ALL_PROXY"])
async def test_the_proxy_of_the_environment_is_used(
    name: str, no_proxies: pytest.MonkeyPatch
) -> None:
    async with Fake(echo) as proxy:
        no_proxies.setenv(name, f"http://{HOST}:{proxy.port}")
        async with Client("http://books.example/mcp", revisions=STATEFUL) as client:
            assert (await client.call_tool("t", {"text": "around"})).text == "around"
        assert {seen.path for seen in proxy.seen} == {"http://books.example/mcp"}
        assert {seen.headers["host"] for seen in proxy.seen} == {"books.example"}


@pytest.mark.parametrize("name", ["HTTP_PROXY", "ALL_PROXY"])
async def test_a_host_that_needs_no_proxy_is_asked_itself(
    name: str, no_proxies: pytest.MonkeyPatch
) -> None:
    async with Fake() as proxy, Fake(echo) as fake:
        no_proxies.setenv(name, f"http://{HOST}:{proxy.port}")
        no_proxies.setenv("NO_PROXY", f"example.com,{HOST}")
        async with Client(fake.url, revisions=STATEFUL) as client:
            assert (await client.call_tool("t", {"text": "straight"})).text == "straight"
        assert proxy.seen == []


async def test_a_proxy_that_cannot_be_used_is_named(no_proxies: pytest.MonkeyPatch) -> None:
    no_proxies.setenv("HTTPS_PROXY", "gopher://proxy.example")
    with pytest.raises(ConnectionFailed, match="A proxy that the environment names cannot be used"):
        async with Client("http://books.example/mcp"):
            pass


async def test_a_proxy_that_opens_no_way_leaves_nothing_done(
    no_proxies: pytest.MonkeyPatch,
) -> None:
    async def refuse(seen: Seen, reply: Reply) -> None:
        await reply.whole(407)

    async with Fake(every=refuse) as proxy:
        no_proxies.setenv("HTTPS_PROXY", f"http://name:password@{HOST}:{proxy.port}")
        with pytest.raises(
            ConnectionFailed, match=r"books\.example cannot be reached: 407"
        ) as raised:
            async with Client("https://books.example/mcp"):
                pass
        assert {seen.method for seen in proxy.seen} == {"CONNECT"}
        assert "password" not in "".join(traceback.format_exception(raised.value))


@pytest.mark.parametrize("url", ["http://name:pass/word@proxy.example", "gopher://pass@proxy"])
async def test_no_part_of_a_password_is_in_what_is_said_of_a_proxy(
    url: str, no_proxies: pytest.MonkeyPatch
) -> None:
    """What is special in a URL ends it early, and the rest of it would be a port."""
    no_proxies.setenv("ALL_PROXY", url)
    with pytest.raises(ConnectionFailed) as raised:
        async with Client("http://books.example/mcp"):
            pass
    told = "".join(traceback.format_exception(raised.value))
    assert "cannot be used" in told
    assert "'pass" not in told
    assert "pass@" not in told


@pytest.mark.parametrize("holds", [None, "no certificate"])
async def test_certificates_that_cannot_be_read_are_told(
    holds: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if holds is not None:
        (tmp_path / "ca.pem").write_text(holds)
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    with pytest.raises(ConnectionFailed, match="SSL_CERT_FILE or SSL_CERT_DIR"):
        async with Client("https://books.example/mcp"):
            pass


# --------------------------------------------------------------------------------------- addresses


def resolved(monkeypatch: pytest.MonkeyPatch, *addresses: str) -> None:
    """Every name leads to these."""

    async def getaddrinfo(
        loop: Any, host: Any, port: Any, *args: Any, **options: Any
    ) -> list[tuple[Any, ...]]:
        return [
            (socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", (address, port))
            for address in addresses
        ]

    monkeypatch.setattr(asyncio.BaseEventLoop, "getaddrinfo", getaddrinfo)


async def test_a_host_is_reached_by_whichever_address_answers(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with Fake(echo) as fake:
        resolved(monkeypatch, "127.0.0.9", HOST)
        url = f"http://books.example:{fake.port}/mcp"
        async with Client(url, revisions=STATEFUL) as client:
            assert (await client.call_tool("t", {"text": "second"})).text == "second"


async def test_a_host_without_an_address_that_answers_is_no_server(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with Fake() as fake:
        port = fake.port
    resolved(monkeypatch, "127.0.0.9", HOST)
    with pytest.raises(ConnectionFailed, match=r"books\.example cannot be reached"):
        async with Client(f"http://books.example:{port}/mcp"):
            pass


@pytest.mark.parametrize("port", [0, 65536, 99999])
def test_a_port_that_there_is_not_leads_nowhere(port: int) -> None:
    """The operating system would go to another one."""
    with pytest.raises(ValueError, match="names a port that there is not"):
        Client(f"http://{HOST}:{port}/mcp")


async def test_a_socket_that_uvloop_does_not_connect_is_no_server(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def sock_connect(*args: Any) -> None:
        raise RuntimeError("File descriptor 7 is used by transport")

    monkeypatch.setattr(BaseSelectorEventLoop, "sock_connect", sock_connect)
    with pytest.raises(ConnectionFailed, match="cannot be reached"):
        async with Client(f"http://{HOST}:1/mcp"):
            pass


async def test_who_leaves_while_the_losers_of_the_race_are_called_off_has_left(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(network, "NEXT_ADDRESS", 0.01)
    sock_connect = BaseSelectorEventLoop.sock_connect

    async def connect(loop: Any, connected: socket.socket, address: Any) -> None:
        if address[0] == HOST:
            await sock_connect(loop, connected, address)
            return
        try:
            await asyncio.Event().wait()
        finally:
            connecting.cancel()

    monkeypatch.setattr(BaseSelectorEventLoop, "sock_connect", connect)
    resolved(monkeypatch, "127.0.0.9", HOST)
    with socket.create_server((HOST, 0)) as server:
        port = server.getsockname()[1]
        connecting = asyncio.ensure_future(Network().connect_tcp("books.example", port))
        with pytest.raises(asyncio.CancelledError):
            await connecting


async def test_a_name_that_no_host_can_have_is_no_server() -> None:
    with pytest.raises(ConnectionFailed, match="cannot be reached"):
        async with Client(f"http://{'a' * 70}.example/mcp"):
            pass


async def test_an_address_that_is_silent_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_client, "CONNECT_TIMEOUT", 0.1)

    async def getaddrinfo(*args: Any, **options: Any) -> Any:
        await asyncio.Event().wait()

    monkeypatch.setattr(asyncio.BaseEventLoop, "getaddrinfo", getaddrinfo)
    with pytest.raises(ConnectionFailed, match=r"books\.example cannot be reached"):
        async with Client("http://books.example/mcp"):
            pass


# --------------------------------------------------------------------------------------------- TLS


@pytest.mark.parametrize("new_loop", LOOPS)
def test_calls_are_made_over_tls_on_either_loop(
    new_loop: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    context = certificate(tmp_path, "localhost")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))

    async def conversation() -> None:
        async with Fake(echo, ssl=context) as fake:
            url = f"https://localhost:{fake.port}/mcp"
            async with Client(url, revisions=STATEFUL) as client:
                for text in ("short", "long" * 500_000):
                    assert (await client.call_tool("t", {"text": text})).text == text
            assert fake.connections <= 2

    with asyncio.Runner(loop_factory=new_loop) as runner:
        runner.run(conversation())


async def test_a_certificate_of_another_host_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    context = certificate(tmp_path, "elsewhere.example")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    async with Fake(ssl=context) as fake:
        with pytest.raises(ConnectionFailed, match="Hostname mismatch"):
            async with Client(f"https://localhost:{fake.port}/mcp"):
                pass
        assert fake.seen == []


async def test_what_comes_before_tls_is_no_answer() -> None:
    """Who can put something there could otherwise answer in the place of the server."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        await writer.drain()
        await reader.read()
        writer.close()

    async with listening(answer) as port:
        connection = await Network().connect_tcp(HOST, port)
        assert await connection.read(4) == b"HTTP"
        with pytest.raises(httpcore.ConnectError, match="before the connection was encrypted"):
            await connection.start_tls(ssl.create_default_context(), HOST)
        with pytest.raises(ConnectionFailed, match="cannot be reached"):
            async with Client(f"https://{HOST}:{port}/mcp"):
                pass


async def test_a_server_that_ends_or_is_silent_before_tls_is_given_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(http_client, "CONNECT_TIMEOUT", 0.1)

    async def leave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    async def say_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        await reader.read()
        writer.close()

    for answer in (leave, say_nothing):
        async with listening(answer) as port:
            with pytest.raises(ConnectionFailed, match="cannot be reached"):
                async with Client(f"https://{HOST}:{port}/mcp"):
                    pass


async def test_a_connection_that_ended_already_is_not_encrypted() -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    async with listening(answer) as port:
        connection = await Network().connect_tcp(HOST, port)
        assert await connection.read(1) == b""
        await asyncio.sleep(0)
        with pytest.raises(httpcore.ConnectError, match="ended before it was encrypted"):
            await connection.start_tls(ssl.create_default_context(), HOST, 5)


# ------------------------------------------------------------------------------ what goes and comes


@pytest.mark.parametrize("new_loop", LOOPS)
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_server_that_takes_nothing_ends_the_request(
    new_loop: Any, scheme: str, tmp_path: Path
) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.transport.pause_reading()  # type: ignore[attr-defined]
        await left.wait()
        writer.transport.abort()

    async def conversation() -> None:
        async with listening(answer, limit=1024, ssl=context) as port:
            connection = await Network().connect_tcp(HOST, port)
            if context is not None:
                trusting = ssl.create_default_context(cafile=tmp_path / "ca.pem")
                await connection.start_tls(trusting, "localhost")
            # Who tries once more waits once more.
            for _ in range(2):
                with pytest.raises(httpcore.WriteTimeout):
                    await connection.write(b"x" * 32_000_000, 0.1)
            await connection.aclose()
            with pytest.raises(httpcore.WriteError):
                await connection.write(b"x")
            left.set()

    context = certificate(tmp_path, "localhost") if scheme == "https" else None
    left = asyncio.Event()
    with asyncio.Runner(loop_factory=new_loop) as runner:
        runner.run(conversation())


async def test_a_call_that_is_not_taken_ends_in_its_time() -> None:
    async def call(seen: Seen, reply: Reply) -> None:
        reply._reader._transport.pause_reading()  # type: ignore[attr-defined]
        await reply.text(seen, "")

    async with Fake(call) as fake, Client(fake.url, revisions=STATEFUL) as client:
        await client.call_tool("t", {})
        with pytest.raises(RequestTimedOut):
            await client.call_tool("t", {"text": "x" * 15_000_000}, timeout=0.2)


async def test_a_connection_that_breaks_while_it_is_written_to_is_told() -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.transport.abort()

    async with listening(answer) as port:
        connection = await Network().connect_tcp(HOST, port)
        with pytest.raises(httpcore.WriteError):
            await connection.write(b"x" * 64_000_000)
        with pytest.raises(httpcore.ReadError):
            await connection.read(1)
        await connection.aclose()


async def test_what_is_short_travels_together_once_the_answer_is_waited_for() -> None:
    came = asyncio.Queue[bytes]()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(MOST_HELD):
            came.put_nowait(data)
            writer.write(b"+")

    async with listening(answer) as port:
        connection = await Network().connect_tcp(HOST, port)
        await connection.write(b"head ")
        await connection.write(b"body")
        assert await connection.read(1) == b"+"
        assert came.get_nowait() == b"head body"
        assert came.empty()
        # What is long waits for nobody, and overtakes nothing.
        await connection.write(b"head ")
        await connection.write(b"x" * MOST_KEPT)
        came_by_itself = b""
        while len(came_by_itself) < len(b"head ") + MOST_KEPT:
            came_by_itself += await came.get()
        assert came_by_itself == b"head " + b"x" * MOST_KEPT
        await connection.aclose()


async def test_what_was_kept_for_a_connection_that_ended_is_an_end() -> None:
    with socket.create_server((HOST, 0)) as server:
        connection = await Network().connect_tcp(HOST, server.getsockname()[1])
        other, _ = server.accept()
        await connection.write(b"kept")
        # Without lingering, it is a reset.
        other.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        other.close()
        with pytest.raises(httpcore.ReadError):
            await connection.read(1)
        with pytest.raises(httpcore.WriteError):
            await connection.write(b"more")
        await connection.aclose()


async def test_a_server_waits_for_who_does_not_read() -> None:
    size = 64_000_000

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"x" * size)
        writers.append(writer)
        writer.close()
        # Until the last of it is sent.
        await writer.wait_closed()

    writers: list[asyncio.StreamWriter] = []
    async with listening(answer) as port:
        connection = await Network().connect_tcp(HOST, port)
        came = len(await connection.read(1))
        # Far more turns of the loop than it takes to send it all to somebody who reads.
        for _ in range(2000):
            await asyncio.sleep(0)
        assert writers[0].transport.get_write_buffer_size() > size / 2
        assert len(connection._held) < 2 * MOST_HELD
        while data := await connection.read(65536):
            came += len(data)
        assert came == size
        await connection.aclose()


@pytest.mark.parametrize("new_loop", LOOPS)
def test_what_came_over_tls_is_read_after_an_end_without_a_word(
    new_loop: Any, tmp_path: Path
) -> None:
    """Many servers do not say that they end (close_notify), and this one was not waited for."""

    def serve() -> None:
        with server, context.wrap_socket(server.accept()[0], server_side=True) as connected:
            connected.sendall(b"x" * size)

    async def conversation() -> None:
        connection = await Network().connect_tcp(*server.getsockname())
        trusting = ssl.create_default_context(cafile=tmp_path / "ca.pem")
        await connection.start_tls(trusting, "localhost")
        # Until all of it is with the operating system, and far more turns than it takes to see it.
        await serving
        for _ in range(2000):
            await asyncio.sleep(0)
        came = len(await connection.read(1))
        while data := await connection.read(65536):
            came += len(data)
        assert came == size
        await connection.aclose()

    size = 1_000_000
    context = certificate(tmp_path, "localhost")
    server = socket.create_server((HOST, 0))
    with asyncio.Runner(loop_factory=new_loop) as runner:
        serving = runner.get_loop().run_in_executor(None, serve)
        runner.run(conversation())


async def test_nothing_that_comes_in_time_is_a_timeout() -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    async with listening(answer) as port:
        connection = await Network().connect_tcp(HOST, port)
        with pytest.raises(httpcore.ReadTimeout):
            await connection.read(1, 0.05)
        assert connection.get_extra_info("server_addr") == (HOST, port)
        assert connection.get_extra_info("client_addr") != (HOST, port)
        await connection.aclose()
        assert connection.get_extra_info("is_readable")


# ------------------------------------------------------------------------------- idle connections


@pytest.mark.parametrize("happens", ["it ends", "something comes"])
async def test_what_happened_while_the_loop_was_busy_is_seen_before_a_connection_is_used_again(
    happens: str,
) -> None:
    """An end, or what nobody asked for and would be taken for the next answer."""
    with socket.create_server((HOST, 0)) as server:
        connection = await Network().connect_tcp(HOST, server.getsockname()[1])
        other, _ = server.accept()
        with other:
            assert not connection.get_extra_info("is_readable")
            if happens == "it ends":
                other.shutdown(socket.SHUT_RDWR)
            else:
                other.send(b"HTTP/1.1 200 OK\r\n\r\n")
            assert connection.get_extra_info("is_readable")
            await asyncio.sleep(0)
            assert connection.get_extra_info("is_readable")
        await connection.aclose()
