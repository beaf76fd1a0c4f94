"""Clients known by the URL of a document: what it must say, and how it is fetched without harm."""

from __future__ import annotations

import asyncio
import datetime
import gzip
import json
import ssl
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone

from django_mcp.oauth import cimd, clients, fetching
from django_mcp.oauth.fetching import CannotFetch, Fetched
from django_mcp.oauth.models import Client
from tests.certificates import certificate
from tests.oauth.people import CALLBACK, Person, Program

URL = "https://client.example/app.json"


def document(**changed: Any) -> dict[str, Any]:
    said = {"client_id": URL, "client_name": "The App", "redirect_uris": [CALLBACK], **changed}
    return {name: value for name, value in said.items() if value is not None}


class Web:
    """What is out there: a document, or an error, and who asked for it."""

    def __init__(self) -> None:
        self.content: Any = document()
        self.max_age: int | None = None
        self.asked: list[str] = []

    async def fetch(self, url: str) -> Fetched:
        self.asked.append(url)
        if isinstance(self.content, Exception):
            raise self.content
        return Fetched(self.content, self.max_age)


@pytest.fixture
def web(monkeypatch: pytest.MonkeyPatch) -> Web:
    found = Web()
    monkeypatch.setattr(fetching, "fetch", found.fetch)
    return found


@pytest.fixture
def app(program: Program) -> Program:
    program.id = URL
    return program


def expire() -> None:
    Client.objects.update(expires=timezone.now() - datetime.timedelta(seconds=1))


# Who is known by a document


def test_a_client_is_known_by_its_document(anna: Person, app: Program, web: Web) -> None:
    page = anna.open(app.request()).content.decode()
    tokens = app.connect(anna)

    assert "The App" in page
    assert '<span class="host">client.example</span>' in page
    assert "has registered itself" not in page
    assert tokens["scope"] == "mcp:read mcp:write"
    assert web.asked == [URL]


# 82, 87


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"client_id": URL + "x"}, "its client_id is not the URL it is at"),
        ({"client_id": None}, "its client_id is not the URL it is at"),
        ({"client_name": None}, "it has no client_name"),
        ({"client_name": " "}, "it has no client_name"),
        ({"redirect_uris": []}, "redirect_uris must be a list"),
        ({"redirect_uris": CALLBACK}, "redirect_uris must be a list"),
        ({"redirect_uris": ["http://evil.example/cb"]}, "a redirect URI must be https"),
        ({"client_secret": "x"}, "it has a secret in it"),
        ({"token_endpoint_auth_method": "private_key_jwt"}, "use none"),
        ({"token_endpoint_auth_method": "client_secret_basic"}, "use none"),
        ({"token_endpoint_auth_methods_supported": ["private_key_jwt"]}, "use none"),
        ({"grant_types": ["client_credentials"]}, "it does not use authorization codes"),
        ({"contacts": ["\x00"]}, "it has a NUL in it"),
    ],
    ids=str,
)
def test_a_document_that_describes_no_client_is_none(
    anna: Person, app: Program, web: Web, changed: Any, reason: str
) -> None:
    web.content = document(**changed)
    response = anna.open(app.request())

    assert response.status_code == 400
    assert reason in response.content.decode()
    assert not Client.objects.exists()


def test_one_that_can_do_without_a_key_does(anna: Person, app: Program, web: Web) -> None:
    """What ChatGPT has at its URL: it would rather sign, and says that it need not."""
    web.content = document(
        token_endpoint_auth_method="private_key_jwt",
        token_endpoint_auth_methods_supported=["none", "private_key_jwt"],
        grant_types=["authorization_code", "refresh_token", "urn:ietf:params:oauth:grant-type:x"],
        jwks_uri="https://client.example/jwks",
        logo_uri="https://client.example/logo.png",
    )

    assert "refresh_token" in app.connect(anna)
    # 86
    assert web.asked == [URL]
    assert "logo.png" not in anna.open(app.request()).content.decode()


# 83, 84


def test_a_document_is_looked_at_again_when_it_is_old(anna: Person, app: Program, web: Web) -> None:
    app.connect(anna)
    anna.open(app.request())
    assert web.asked == [URL]

    expire()
    web.content = document(redirect_uris=["https://client.example/cb"], client_name="New")
    assert anna.open(app.request()).status_code == 400
    page = anna.open(app.request(redirect_uri="https://client.example/cb"))
    assert "New" in page.content.decode()
    assert web.asked == [URL, URL]


@pytest.mark.parametrize(
    ("said", "kept"), [(None, 3600), (0, 300), (10, 300), (7200, 7200), (10**8, 86400)]
)
def test_how_long_it_is_good_is_for_its_server_to_say_within_limits(
    anna: Person, app: Program, web: Web, said: int | None, kept: int
) -> None:
    web.max_age = said
    anna.open(app.request())
    client = Client.objects.get()

    assert client.expires is not None
    assert client.fetched is not None
    assert (client.expires - client.fetched).total_seconds() == kept


def test_the_last_good_copy_is_good_for_a_day(anna: Person, app: Program, web: Web) -> None:
    anna.open(app.request())
    web.content = CannotFetch("its server cannot be reached")
    expire()
    assert anna.open(app.request()).status_code == 200

    Client.objects.update(expires=timezone.now() - datetime.timedelta(hours=25))
    response = anna.open(app.request())
    assert response.status_code == 400
    assert "cannot be reached" in response.content.decode()


# 85


def test_a_client_of_that_name_that_was_made_by_hand_is_not_taken_over(
    anna: Person, app: Program, web: Web
) -> None:
    clients.add("By hand", [CALLBACK], client_id=URL)

    assert "By hand" in anna.open(app.request()).content.decode()
    assert web.asked == []


def test_a_client_that_is_blocked_is_not_looked_at(anna: Person, app: Program, web: Web) -> None:
    anna.open(app.request())
    Client.objects.update(status=Client.Status.BLOCKED)
    expire()

    assert anna.open(app.request()).status_code == 400
    assert web.asked == [URL]


def test_hosts_can_be_named(anna: Person, app: Program, web: Web, settings: Any) -> None:
    settings.DJANGO_MCP_OAUTH = {"CLIENT_DOCUMENT_HOSTS": ["other.example"]}
    response = anna.open(app.request())

    assert "not one of the hosts that are allowed" in response.content.decode()
    settings.DJANGO_MCP_OAUTH = {"CLIENT_DOCUMENTS": False}
    assert anna.open(app.request()).status_code == 400
    assert web.asked == []


def test_there_is_an_end_to_what_one_user_has_fetched(anna: Person, app: Program, web: Web) -> None:
    web.content = CannotFetch("no")
    for number in range(cimd.PER_USER.number + 5):
        anna.open(app.request(client_id=f"https://c{number}.example/app.json"))

    assert len(web.asked) == cimd.PER_USER.number


# 88


def test_a_host_of_other_letters_is_shown_as_it_is_asked_for(
    anna: Person, app: Program, web: Web
) -> None:
    app.id = "https://xn--pple-43d.example/app.json"
    web.content = document(client_id=app.id)

    assert "xn--pple-43d.example" in anna.open(app.request()).content.decode()
    assert not fetching.is_fetchable("https://\u0430pple.example/app.json")


# 78


@pytest.mark.parametrize(
    "url",
    [
        "http://client.example/app.json",
        "https://client.example",
        "https://client.example/",
        "https://127.0.0.1/app.json",
        "https://[::1]/app.json",
        "https://2130706433/app.json",
        "https://0x7f000001/app.json",
        "https://0177.0.0.1/app.json",
        "https://localhost/app.json",
        "https://app.localhost/app.json",
        "https://printer.local/app.json",
        "https://db.internal/app.json",
        "https://intranet/app.json",
        "https://user@client.example/app.json",
        "https://client.example:22/app.json",
        "https://client.example:6379/app.json",
        "https://client.example/../app.json",
        "https://client.example/%2e%2e/app.json",
        "https://client.example/app.json#x",
        "https://client.example/app.json?x",
        "https://client.example/app json",
        "https://client.example\\@evil.example/app.json",
        "https://CLIENT.example/app.json",
        "https://client.example/" + "x" * 250,
        "HTTPS://client.example/app.json",
        "file:///etc/passwd",
    ],
)
def test_a_document_is_at_a_name_on_the_internet(url: str) -> None:
    assert not fetching.is_fetchable(url)


# 75


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "10.1.2.3",
        "172.16.0.1",
        "192.168.0.1",
        "169.254.169.254",
        "100.64.0.1",
        "0.0.0.0",
        "224.0.0.1",
        "255.255.255.255",
        "192.0.0.8",
        "198.18.0.1",
        "168.63.129.16",
        "::",
        "::1",
        "fc00::1",
        "fd00:ec2::254",
        "fe80::1",
        "fe80::1%eth0",
        "fec0::1",
        "ff02::1",
        "::a9fe:a9fe",
        "::7f00:1",
        "::ffff:169.254.169.254",
        "64:ff9b::a9fe:a9fe",
        "64:ff9b:1::a9fe:a9fe",
        "2002:a9fe:a9fe::",
        "2001:0:a9fe:a9fe::",
        "2001:db8::1",
        "not an address",
    ],
)
def test_an_address_only_this_server_reaches_is_not_public(address: str) -> None:
    assert not fetching.is_public(address)


@pytest.mark.parametrize("address", ["93.184.216.34", "2606:2800:220:1::1", "::ffff:8.8.8.8"])
def test_an_address_anybody_reaches_is(address: str) -> None:
    assert fetching.is_public(address)


# 76, 77, 79-81: against a server that speaks TLS


Answer = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def http(body: bytes, status: str = "200 OK", *headers: str) -> Answer:
    """An answer that is written at once."""
    given = headers or ("Content-Type: application/json",)
    head = "\r\n".join([f"HTTP/1.1 {status}", *given, f"Content-Length: {len(body)}"])

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(head.encode() + b"\r\n\r\n" + body)
        await writer.drain()

    return answer


class Host:
    """client.example, on a port of this machine."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
        self.monkeypatch = monkeypatch
        self.folder = folder
        self.requests = 0

    async def fetched_from(
        self,
        answer: Answer,
        *,
        host: str = "client.example",
        addresses: tuple[str, ...] = ("127.0.0.1",),
        public: tuple[str, ...] = ("127.0.0.1",),
        trusted: bool = True,
        days: int = 1,
    ) -> Fetched:
        """Fetch the document of client.example from a server that answers with `answer`."""

        async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            self.requests += 1
            try:
                await answer(reader, writer)
            except (ConnectionError, asyncio.IncompleteReadError):
                pass
            finally:
                writer.close()

        async def resolve(name: str) -> list[str]:
            return list(addresses)

        context = certificate(self.folder, host, days=days)
        client = ssl.create_default_context()
        if trusted:
            client.load_verify_locations(self.folder / "ca.pem")
        served = await asyncio.start_server(connected, "127.0.0.1", 0, ssl=context)
        self.monkeypatch.setattr(fetching, "PORT", served.sockets[0].getsockname()[1])
        self.monkeypatch.setattr(fetching, "resolve", resolve)
        self.monkeypatch.setattr(fetching, "is_public", lambda address: address in public)
        self.monkeypatch.setattr(fetching, "tls", lambda: client)
        try:
            return await fetching.fetch(URL)
        finally:
            served.close()


@pytest.fixture
def host(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Host:
    return Host(monkeypatch, tmp_path)


GOOD = json.dumps(document()).encode()


async def test_a_document_is_fetched_from_the_address_that_was_looked_at(host: Host) -> None:
    answer = http(GOOD, "200 OK", "Content-Type: application/json", "Cache-Control: max-age=60")

    assert await host.fetched_from(answer) == Fetched(document(), 60)
    assert host.requests == 1


@pytest.mark.parametrize(
    "addresses", [("10.0.0.1",), ("127.0.0.1", "10.0.0.1"), ("10.0.0.1", "127.0.0.1"), ()]
)
async def test_a_name_with_any_address_that_is_not_public_is_not_connected_to(
    host: Host, addresses: tuple[str, ...]
) -> None:
    with pytest.raises(CannotFetch, match="not a public one"):
        await host.fetched_from(http(GOOD), addresses=addresses)
    assert host.requests == 0


@pytest.mark.parametrize("status", ["301 Moved", "302 Found", "307 Temporary Redirect"])
async def test_a_redirect_is_not_followed(host: Host, status: str) -> None:
    answer = http(b"", status, "Location: https://client.example/other.json")

    with pytest.raises(CannotFetch, match=f"answers {status[:3]}"):
        await host.fetched_from(answer)
    assert host.requests == 1


async def _drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n")
    await reader.read()  # Nothing more comes, and the connection stays open.


async def _endless(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n")
    while True:
        writer.write(b" " * 65536)
        await writer.drain()


async def _headers(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")
    writer.write(b"HTTP/1.1 200 OK\r\n")
    while True:
        writer.write(b"X-More: " + b"x" * 8000 + b"\r\n")
        await writer.drain()


ZIPPED = gzip.compress(GOOD)


@pytest.mark.parametrize(
    "answer",
    [
        http(GOOD, "404 Not Found"),
        http(GOOD, "500 Oh"),
        http(GOOD, "200 OK", "Content-Type: text/html"),
        http(ZIPPED, "200 OK", "Content-Type: application/json", "Content-Encoding: gzip"),
        http(b"[]"),
        http(b"not json"),
        http(b"[" * 16000),
        http(b"\xff"),
        http(GOOD + b" " * 20_000),
        _drip,
        _endless,
        _headers,
    ],
    ids=range(12),
)
async def test_what_is_no_small_document_is_not_read(
    host: Host, answer: Answer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fetching, "DEADLINE", 1.0)

    with pytest.raises(CannotFetch):
        await host.fetched_from(answer)


@pytest.mark.parametrize(
    "wrong", [{"trusted": False}, {"host": "other.example"}, {"days": -1}], ids=str
)
async def test_a_server_that_is_not_who_it_says_is_not_read(host: Host, wrong: Any) -> None:
    with pytest.raises(CannotFetch, match="not safely"):
        await host.fetched_from(http(GOOD), **wrong)
