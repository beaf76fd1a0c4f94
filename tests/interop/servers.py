"""Server processes for the tests: started when first needed, ended by their id.

What is served is `site`; the ways to serve it are the rows of KINDS.
"""

from __future__ import annotations

import asyncio
import http.client
import os
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import httpx2
from mcp import Client
from mcp.client.streamable_http import streamable_http_client

REPOSITORY: Final = Path(__file__).resolve().parent.parent.parent
#: Seconds a server may take to listen, or to end.
PATIENCE: Final = 30.0
#: Seconds a client waits for an answer.
ANSWERED: Final = 10.0
#: Seconds between two looks whether a server listens.
PAUSE: Final = 0.05
#: What no log of a server may have in it.
COMPLAINTS: Final = ("Traceback", "Warning", "never awaited", "never retrieved", "destroyed but")

_CONSUMER = "tests.interop.site.asgi:application"
_VIEW = "tests.interop.site.django_asgi:application"
_UVICORN = "uvicorn --host {host} --port {port} --log-level warning"
_DAPHNE = "daphne -b {host} -p {port} -v 0"


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """A way to serve the project: the module that is run, its arguments, how it takes a prefix.

    `streams` is False where a response can only be whole. `strips` is True where the server is to
    be asked for paths without the prefix, as behind a proxy that takes it away.
    """

    command: str
    prefix: str
    streams: bool = True
    strips: bool = False
    settings: str = "tests.interop.site.settings"
    directory: Path = REPOSITORY


KINDS: Final[Mapping[str, Kind]] = MappingProxyType(
    {
        "daphne": Kind(command=f"{_DAPHNE} {_CONSUMER}", prefix="--root-path {prefix}"),
        "uvicorn": Kind(
            command=f"{_UVICORN} {_CONSUMER}", prefix="--root-path {prefix}", strips=True
        ),
        # Without uvloop and httptools, to have both of uvicorn's faces.
        "view": Kind(
            command=f"{_UVICORN} --loop asyncio --http h11 {_VIEW}",
            prefix="--root-path {prefix}",
            strips=True,
        ),
        "view-daphne": Kind(command=f"{_DAPHNE} {_VIEW}", prefix="--root-path {prefix}"),
        "wsgi": Kind(
            command="tests.interop.site.wsgi --host {host} --port {port}",
            prefix="--prefix {prefix}",
            streams=False,
        ),
        "example": Kind(
            command=f"{_DAPHNE} config.asgi:application",
            prefix="--root-path {prefix}",
            settings="config.settings",
            directory=REPOSITORY / "example_project",
        ),
        # The same, which finds documents of clients where the tests have them.
        "library": Kind(
            command=f"{_DAPHNE} tests.interop.site.library_asgi:application",
            prefix="--root-path {prefix}",
            settings="config.settings",
            directory=REPOSITORY / "example_project",
        ),
        # The same with the settings of the tests of `django_mcp.remote`.
        "neighbour": Kind(
            command=f"{_DAPHNE} config.asgi:application",
            prefix="--root-path {prefix}",
            settings="tests.remote.library",
            directory=REPOSITORY / "example_project",
        ),
    }
)


#: Nothing is encrypted here; to load the certificates anew for each client takes 30 ms.
_NO_TLS: Final = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


class Wire:
    """What a test sees of a client's HTTP: the id of its session, and the streams it opened.

    `opened` has the Last-Event-ID of each GET that was answered with a stream, None for none.
    """

    def __init__(self) -> None:
        self.session = ""
        self.opened: list[str | None] = []
        self._news = asyncio.Event()

    async def until_opened(self, count: int = 1) -> None:
        """Return once so many streams were opened."""
        while len(self.opened) < count:
            self._news.clear()
            await self._news.wait()

    async def look_at(self, response: httpx2.Response) -> None:
        """Take note of a response, its body unread."""
        self.session = response.headers.get("mcp-session-id", self.session)
        if response.request.method == "GET" and response.status_code == 200:
            self.opened.append(response.request.headers.get("last-event-id"))
            self._news.set()


def http_client(wire: Wire | None = None) -> httpx2.AsyncClient:
    """An HTTP client for loopback."""
    hooks = {"response": [wire.look_at]} if wire else {}
    return httpx2.AsyncClient(verify=_NO_TLS, timeout=ANSWERED, event_hooks=hooks)


@asynccontextmanager
async def transport(url: str, wire: Wire | None = None) -> AsyncIterator[Any]:
    """The transport of the official client."""
    async with (
        http_client(wire) as http,
        streamable_http_client(url, http_client=http) as streams,
    ):
        yield streams


class Site:
    """One process that serves the project."""

    def __init__(
        self, name: str, log: Path, *, host: str = "127.0.0.1", prefix: str = "", more: str = ""
    ) -> None:
        self.name = name
        self.kind = KINDS[name]
        self.host = host
        self.port = free_port(host)
        self._seen_prefix = "" if self.kind.strips else prefix
        self._log = log
        command = f"{self.kind.command} {self.kind.prefix if prefix else ''} {more}"
        arguments = command.format(host=host, port=self.port, prefix=prefix).split()
        with log.open("wb") as output:
            self._process = subprocess.Popen(
                [sys.executable, "-W", "default", "-m", *arguments],
                cwd=self.kind.directory,
                env={
                    **os.environ,
                    "DJANGO_SETTINGS_MODULE": self.kind.settings,
                    "PYTHONPATH": str(REPOSITORY),
                    "DATABASE_PATH": str(log.with_name("example.sqlite3")),
                },
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )

    def __repr__(self) -> str:
        return f"<{self.name} at {self.url()}>"

    @property
    def streams(self) -> bool:
        return self.kind.streams

    @property
    def log(self) -> str:
        """What the process has written so far."""
        return self._log.read_text(errors="replace")

    def url(self, path: str = "mcp", port: int | None = None) -> str:
        """The URL of `path` below the prefix the project is served under."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{port or self.port}{self._seen_prefix}/{path}"

    def client(
        self,
        path: str = "mcp",
        *,
        wire: Wire | None = None,
        port: int | None = None,
        **options: Any,
    ) -> Client:
        """The official client, not yet connected; `port` is that of a relay before the server."""
        options.setdefault("read_timeout_seconds", ANSWERED)
        return Client(transport(self.url(path, port), wire), **options)

    def wait_until_it_listens(self) -> None:
        """Return once the server answers anything at all; raises DidNotStart if it never does."""
        for _ in range(int(PATIENCE / PAUSE)):
            if self._process.poll() is not None:
                break
            connection = http.client.HTTPConnection(self.host, self.port, timeout=PATIENCE)
            try:
                connection.request("GET", "/")
                connection.getresponse().read()
            except ConnectionError:
                time.sleep(PAUSE)
            else:
                return
            finally:
                connection.close()
        raise DidNotStart(f"{self.name} does not listen:\n{self.log}")

    def ask_to_end(self) -> None:
        """What a supervisor sends first."""
        self._process.send_signal(signal.SIGTERM)

    def wait_until_it_ends(self) -> int:
        """The exit status, as soon as there is one."""
        return self._process.wait(PATIENCE)

    def end(self) -> None:
        """End the process, in whatever state it is."""
        if self._process.poll() is None:
            self._process.terminate()
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(PATIENCE)


class Relay:
    """A way to a site that can be cut: a port whose connections lead to the site's."""

    port: int

    def __init__(self, site: Site) -> None:
        self._site = site
        self._ends: set[asyncio.StreamWriter] = set()

    async def __aenter__(self) -> Relay:
        self._server = await asyncio.start_server(self._carry, self._site.host, 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        self._server.close()
        self.cut()
        await self._server.wait_closed()

    def cut(self) -> None:
        """Break every connection off, without a word to either side."""
        for end in list(self._ends):
            end.transport.abort()

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        theirs, upstream = await asyncio.open_connection(self._site.host, self._site.port)
        ends = {writer, upstream}
        self._ends |= ends
        await asyncio.gather(_pump(reader, upstream), _pump(theirs, writer))
        self._ends -= ends


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Write what is read, until one of the two ends."""
    with suppress(ConnectionError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    writer.close()


class Servers:
    """The processes of one test session, each started when it is first asked for."""

    def __init__(self, logs: Path) -> None:
        self._logs = logs
        self._sites: dict[tuple[Any, ...], Site] = {}
        self._count = 0

    def get(self, name: str, **options: str) -> Site:
        """The running server of this kind and these options."""
        key = (name, *sorted(options.items()))
        if key not in self._sites:
            self._sites[key] = self.start(name, **options)
        return self._sites[key]

    def start(self, name: str, **options: str) -> Site:
        """A server of the caller's own, which the caller ends."""
        self._count += 1
        site = Site(name, self._logs / f"{self._count}-{name}.log", **options)
        try:
            site.wait_until_it_listens()
        except BaseException:
            site.end()
            raise
        return site

    def end(self) -> None:
        """End every process; raises Complained where one had written something unexpected."""
        for site in self._sites.values():
            site.end()
        for site in self._sites.values():
            if any(word in site.log for word in COMPLAINTS):
                raise Complained(f"{site.name} wrote:\n{site.log}")


class DidNotStart(Exception):
    """A server ended, or never listened."""


class Complained(Exception):
    """A server wrote what it should not have had to write."""


def free_port(host: str) -> int:
    """A port nobody listens on."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])


def has_ipv6() -> bool:
    """True where this machine has an IPv6 loopback."""
    try:
        free_port("::1")
    except OSError:
        return False
    return True
