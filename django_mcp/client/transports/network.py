"""Connections for httpcore, on asyncio's own transports.

httpcore's are made of AnyIO's streams, which run under Trio too. The scope, the checkpoints and the
turns of the loop around each of their reads and writes take a sixth of a short call, and this
client runs under asyncio alone. What is sent, and what it means, is httpcore's.
"""

from __future__ import annotations

import asyncio
import select
import socket
import ssl
from collections.abc import Callable, Iterable
from typing import Any, Final, cast

import aiohappyeyeballs
import httpcore

#: Bytes that are held for who reads, before the other side has to wait.
MOST_HELD: Final = 256 * 1024
#: Bytes that are given to the transport at a time. Those with TLS take, and encrypt, whatever they
#: are given once, however much of it the operating system has not taken.
MOST_AT_ONCE: Final = 256 * 1024
#: Bytes that are kept until there are more, or until the answer is waited for.
MOST_KEPT: Final = 16 * 1024
#: Seconds after which the next address of a host is tried beside the one before (RFC 8305, 8).
NEXT_ADDRESS: Final = 0.25


class Network(httpcore.AsyncNetworkBackend):
    """Where connections come from, as httpcore has it."""

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109, httpcore's
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> Connection:
        """A connection to the first address of the host that answers.

        Raises httpcore's ConnectTimeout and ConnectError. A `local_address` is not heeded:
        nothing here has one.
        """
        loop = asyncio.get_running_loop()
        task = cast("asyncio.Task[Any]", asyncio.current_task())
        cancelled = task.cancelling()
        try:
            async with asyncio.timeout(timeout):
                found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
                connected = await aiohappyeyeballs.start_connection(
                    found, happy_eyeballs_delay=NEXT_ADDRESS
                )
                try:
                    if task.cancelling() > cancelled:
                        # While the losers of the race are called off, it lets this go by.
                        raise asyncio.CancelledError
                    for option in socket_options or ():
                        connected.setsockopt(*option)
                    _, connection = await loop.create_connection(Connection, sock=connected)
                except BaseException:
                    connected.close()
                    raise
        except TimeoutError as error:
            raise httpcore.ConnectTimeout(str(error)) from error
        # A name that no host can have is one that cannot be encoded. uvloop has a RuntimeError for
        # a socket that is somebody's already.
        except (OSError, UnicodeError, RuntimeError) as error:
            raise httpcore.ConnectError(str(error)) from error
        return connection

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


class Connection(asyncio.Protocol, httpcore.AsyncNetworkStream):
    """One connection: asyncio's protocol on its outer side, httpcore's stream on its inner one.

    One task at a time reads, and one writes. What comes is held until it is read, MOST_HELD of it
    and no more.
    """

    _transport: asyncio.Transport
    #: The one without TLS. It is the one to be paused: uvloop's with TLS throws away what it holds
    #: back when the other side ends without saying so (close_notify).
    _carrier: asyncio.Transport

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._held = bytearray()
        self._kept = b""
        self._is_paused = False
        self._is_full = False
        self._has_ended = False
        self._error: Exception | None = None
        self._arrival: asyncio.Future[None] | None = None
        self._departure: asyncio.Future[None] | None = None
        self._look: Callable[[], bool] | None = None

    # What asyncio calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._carrier = cast("asyncio.Transport", transport)
        self._take(self._carrier)

    def data_received(self, data: bytes) -> None:
        self._held += data
        if len(self._held) >= MOST_HELD and not self._is_paused:
            self._is_paused = True
            self._carrier.pause_reading()
        _wake(self._arrival)

    def eof_received(self) -> None:
        self._has_ended = True
        _wake(self._arrival)

    def connection_lost(self, error: Exception | None) -> None:
        self._has_ended = True
        self._error = error
        _wake(self._arrival)
        _wake(self._departure)

    def pause_writing(self) -> None:
        self._is_full = True

    def resume_writing(self) -> None:
        self._is_full = False
        _wake(self._departure)

    # What httpcore calls

    async def read(
        self,
        max_bytes: int,
        timeout: float | None = None,  # noqa: ASYNC109, httpcore's
    ) -> bytes:
        """What came, at least one byte; b"" once the other side has ended.

        Raises ReadTimeout and ReadError.
        """
        if self._kept:
            self._send_kept()
        if not self._held and not self._has_ended:
            self._arrival = self._loop.create_future()
            try:
                await _within(timeout, self._arrival)
            except TimeoutError:
                raise httpcore.ReadTimeout("Nothing came in time.") from None
            finally:
                self._arrival = None
        if not self._held and self._error is not None:
            raise httpcore.ReadError(str(self._error)) from self._error
        data = bytes(self._held[:max_bytes])
        del self._held[:max_bytes]
        if self._is_paused and len(self._held) < MOST_HELD:
            self._is_paused = False
            self._carrier.resume_reading()
        return data

    async def write(
        self,
        buffer: bytes,
        timeout: float | None = None,  # noqa: ASYNC109, httpcore's
    ) -> None:
        """Return once the operating system has it; under TLS, all but the last MOST_AT_ONCE of it.

        What is short is kept until more comes or `read` is called: so the head and the body of a
        request travel together, and wake the server once. The time is that of a piece. Raises
        WriteTimeout and WriteError.
        """
        if self._transport.is_closing():
            raise httpcore.WriteError(str(self._error or "The connection is closed."))
        whole = self._kept + buffer
        if len(whole) <= MOST_KEPT:
            self._kept = whole
            return
        self._kept = b""
        for start in range(0, len(whole), MOST_AT_ONCE):
            if self._transport.is_closing():
                raise httpcore.WriteError(str(self._error or "The connection is closed."))
            self._transport.write(whole[start : start + MOST_AT_ONCE])
            if self._is_full:
                await self._taken(timeout)

    def abort(self) -> None:
        """End the connection at once: whatever was sent and not taken is of no use to anybody."""
        self._transport.abort()

    async def aclose(self) -> None:
        self.abort()
        # The socket is closed in the loop's next turn.
        await asyncio.sleep(0)

    async def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,  # noqa: ASYNC109, httpcore's
    ) -> Connection:
        """The same connection, encrypted from here on. Raises ConnectTimeout and ConnectError."""
        try:
            if self._held:
                # Who could put it there could answer in the place of the server.
                raise httpcore.ConnectError("Something came before the connection was encrypted.")
            if self._has_ended:
                raise httpcore.ConnectError("The connection ended before it was encrypted.")
            async with asyncio.timeout(timeout):
                transport = await self._loop.start_tls(
                    self._transport, self, ssl_context, server_hostname=server_hostname
                )
            if transport is None:
                raise httpcore.ConnectError("The connection ended before it was encrypted.")
        except BaseException as error:
            self._transport.abort()
            if isinstance(error, TimeoutError):
                raise httpcore.ConnectTimeout("It was not encrypted in time.") from error
            if isinstance(error, OSError):  # ssl.SSLError is one.
                raise httpcore.ConnectError(str(error)) from error
            raise
        self._take(transport)
        return self

    def get_extra_info(self, info: str) -> Any:
        if info == "is_readable":
            return bool(self._held) or self._has_ended or self._is_readable()
        names = {"client_addr": "sockname", "server_addr": "peername"}
        return self._transport.get_extra_info(names.get(info, info))

    # Inside

    def _take(self, transport: asyncio.Transport) -> None:
        self._is_full = False
        # Whatever the operating system has not taken is waited for. With 0 in place of 1, those
        # with TLS would take having nothing for having too much.
        transport.set_write_buffer_limits(high=1, low=0)
        self._transport = transport

    def _send_kept(self) -> None:
        """Send it without waiting: what does not fit goes while the answer is waited for. Where the
        connection has ended, that says so which is read."""
        kept, self._kept = self._kept, b""
        if not self._transport.is_closing():
            self._transport.write(kept)

    async def _taken(self, seconds: float | None) -> None:
        self._departure = self._loop.create_future()
        try:
            await _within(seconds, self._departure)
        except TimeoutError:
            raise httpcore.WriteTimeout("It was not taken in time.") from None
        finally:
            self._departure = None
        if self._transport.is_closing():
            raise httpcore.WriteError(str(self._error or "The connection was closed."))

    def _is_readable(self) -> bool:
        """Whether something came, or the end, that the loop has not had the time to see."""
        if self._transport.is_closing():
            return True  # Its descriptor may soon be another's.
        if self._look is None:
            self._look = _look_at(self._carrier.get_extra_info("socket"))
        return self._look()


def _look_at(connected: socket.socket) -> Callable[[], bool]:
    """What says whether there is something to read from a socket.

    It is asked before each request, so it is made once.
    """
    if not hasattr(select, "poll"):  # Windows.
        return lambda: bool(select.select([connected], [], [], 0)[0])
    poll = select.poll()
    poll.register(connected.fileno(), select.POLLIN)
    return lambda: bool(poll.poll(0))


def _wake(waiting: asyncio.Future[None] | None) -> None:
    if waiting is not None and not waiting.done():
        waiting.set_result(None)


async def _within(seconds: float | None, waiting: asyncio.Future[None]) -> None:
    if seconds is None:
        await waiting
    else:
        async with asyncio.timeout(seconds):
            await waiting
