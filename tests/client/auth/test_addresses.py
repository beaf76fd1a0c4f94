"""Which addresses a name may lead to, and that the connection goes where the name led."""

from __future__ import annotations

import datetime
import socket
import ssl
import tempfile
from contextlib import suppress
from typing import Any

import anyio
import httpx
import pytest
from anyio.streams.tls import TLSStream
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from django_mcp.client.auth import (
    Authorization,
    ClientInformation,
    MetadataNotFound,
    Registration,
    UnsafeURL,
    sending,
)
from django_mcp.client.auth.addresses import PublicTransport, is_public
from django_mcp.client.auth.errors import RequestFailed

REFUSED = [
    "127.0.0.1",
    "127.1.2.3",
    "10.0.0.1",
    "172.16.0.1",
    "192.168.1.1",
    "169.254.169.254",
    "100.64.0.1",
    "0.0.0.0",
    "168.63.129.16",
    "224.0.0.1",
    "255.255.255.255",
    "198.18.0.1",
    "::",
    "::1",
    "fc00::1",
    "fe80::1",
    "fe80::1%eth0",
    "fec0::1",
    "ff02::1",
    "2001:db8::1",
    "::a9fe:a9fe",
    "::ffff:169.254.169.254",
    "64:ff9b::a9fe:a9fe",
    "64:ff9b:1::a9fe:a9fe",
    "2002:a9fe:a9fe::",
]


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[list[str]]]:
    """What each name leads to, one list for each time it is looked up."""
    known: dict[str, list[list[str]]] = {}

    async def getaddrinfo(host: str, port: int, **arguments: Any) -> list[Any]:
        if host not in known:
            raise socket.gaierror(socket.EAI_NONAME, "no such name")
        answers = known[host]
        found = answers.pop(0) if len(answers) > 1 else answers[0]
        return [(0, 0, 0, "", (address, port)) for address in found]

    monkeypatch.setattr(anyio, "getaddrinfo", getaddrinfo)
    return known


class Wire(httpx.AsyncBaseTransport):
    """Notes what would be sent where; addresses in `dead` cannot be connected to."""

    def __init__(self, *dead: str) -> None:
        self.dead = dead
        self.requests: list[httpx.Request] = []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        if request.url.host in self.dead:
            raise httpx.ConnectError("refused", request=request)
        return httpx.Response(200)


@pytest.mark.parametrize("address", REFUSED)
def test_addresses_of_networks_within_are_not_public(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize(
    "address",
    [
        "1.1.1.1",
        "8.8.8.8",
        "2606:4700::1111",
        "::ffff:1.1.1.1",
        "64:ff9b::101:101",
        "2002:101:101::",
    ],
)
def test_addresses_of_the_open_internet_are_public(address: str) -> None:
    assert is_public(address)


async def test_the_connection_goes_to_the_address_that_was_looked_at(
    names: dict[str, list[list[str]]],
) -> None:
    names["auth.example"] = [["1.1.1.1"], ["127.0.0.1"]]
    wire = Wire()

    async with httpx.AsyncClient(transport=PublicTransport(wire)) as client:
        response = await client.get("https://auth.example:8443/x?y=1")

    [sent] = wire.requests
    assert str(sent.url) == "https://1.1.1.1:8443/x?y=1"
    assert sent.headers["host"] == "auth.example:8443"
    assert sent.extensions["sni_hostname"] == "auth.example"
    assert str(response.url) == "https://auth.example:8443/x?y=1"


@pytest.mark.parametrize("addresses", [["10.0.0.1"], ["1.1.1.1", "10.0.0.1"], ["::1", "1.1.1.1"]])
async def test_one_address_within_is_too_many(
    names: dict[str, list[list[str]]], addresses: list[str]
) -> None:
    names["auth.example"] = [addresses]
    wire = Wire()

    async with httpx.AsyncClient(transport=PublicTransport(wire)) as client:
        with pytest.raises(UnsafeURL, match="allow_private=True") as caught:
            await client.get("https://auth.example/x?secret=1")

    assert not wire.requests
    assert "secret" not in caught.value.url


@pytest.mark.parametrize("host", ["10.0.0.1", "[::1]", "169.254.169.254"])
async def test_an_address_that_is_written_out_is_looked_at_too(host: str) -> None:
    wire = Wire()

    async with httpx.AsyncClient(transport=PublicTransport(wire)) as client:
        with pytest.raises(UnsafeURL):
            await client.get(f"https://{host}/")

    assert not wire.requests


async def test_the_next_address_is_tried_where_one_does_not_answer(
    names: dict[str, list[list[str]]],
) -> None:
    names["auth.example"] = [["2606:4700::1111", "1.1.1.1"]]
    wire = Wire("2606:4700::1111")

    async with httpx.AsyncClient(transport=PublicTransport(wire)) as client:
        assert (await client.get("https://auth.example/")).status_code == 200

    assert [request.url.host for request in wire.requests] == ["2606:4700::1111", "1.1.1.1"]


async def test_a_host_that_is_trusted_is_reached_by_its_name(
    names: dict[str, list[list[str]]],
) -> None:
    wire = Wire()

    async with httpx.AsyncClient(
        transport=PublicTransport(wire, trusted=["MCP.example"])
    ) as client:
        await client.get("https://mcp.example/")

    assert [request.url.host for request in wire.requests] == ["mcp.example"]


@pytest.mark.parametrize(("loopback", "passes"), [(True, True), (False, False)])
async def test_this_machine_is_reached_where_that_is_allowed(
    names: dict[str, list[list[str]]], loopback: bool, passes: bool
) -> None:
    names["localhost"] = [["127.0.0.1"]]
    names["intranet"] = [["10.0.0.1"]]
    wire = Wire()

    async with httpx.AsyncClient(transport=PublicTransport(wire, loopback=loopback)) as client:
        for host in ("localhost", "intranet"):
            with suppress(UnsafeURL):
                await client.get(f"http://{host}/")

    assert [request.headers["host"] for request in wire.requests] == ["localhost"] * passes


async def test_a_name_that_leads_nowhere_is_told(names: dict[str, list[list[str]]]) -> None:
    authorization = Authorization("https://auth.example")
    names["auth.example"] = [[]]

    with pytest.raises(RequestFailed, match="cannot be reached"):
        await authorization.discover()


async def test_a_server_of_the_internet_cannot_lead_to_this_machine() -> None:
    """Nothing listens there; that is not even found out."""
    async with (
        await anyio.create_tcp_listener(local_host="127.0.0.1") as listener,
        anyio.create_task_group() as tasks,
    ):
        connected: list[str] = []

        async def handle(stream: anyio.abc.SocketStream) -> None:
            connected.append("connected")
            await stream.aclose()

        tasks.start_soon(listener.serve, handle)
        port = listener.extra(anyio.abc.SocketAttribute.local_port)
        transport = PublicTransport(trusted=["mcp.example"])
        async with httpx.AsyncClient(transport=transport) as client:
            with pytest.raises(UnsafeURL):
                await client.get(f"http://127.0.0.1:{port}/")
        tasks.cancel_scope.cancel()

    assert not connected


async def test_a_server_on_this_machine_is_asked_where_it_is() -> None:
    requests: list[bytes] = []

    async def handle(stream: anyio.abc.SocketStream) -> None:
        async with stream:
            requests.append(await stream.receive())
            await stream.send(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")

    async with (
        await anyio.create_tcp_listener(local_host="127.0.0.1") as listener,
        anyio.create_task_group() as tasks,
    ):
        tasks.start_soon(listener.serve, handle)
        port = listener.extra(anyio.abc.SocketAttribute.local_port)
        with pytest.raises(MetadataNotFound):
            await Authorization(f"http://127.0.0.1:{port}/mcp", fallback=False).discover()
        tasks.cancel_scope.cancel()

    assert requests[0].startswith(b"GET /.well-known/oauth-protected-resource/mcp HTTP/1.1\r\n")
    assert f"Host: 127.0.0.1:{port}".encode() in requests[0]


class Guarded:
    """Notes how the guard is set up where a client is made."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.arguments: list[dict[str, Any]] = []
        monkeypatch.setattr(sending, "PublicTransport", self)

    def __call__(self, **arguments: Any) -> httpx.AsyncBaseTransport:
        self.arguments.append(arguments)
        return httpx.MockTransport(lambda request: httpx.Response(404))


@pytest.mark.parametrize(
    ("url", "loopback"), [("https://mcp.example", False), ("http://127.0.0.1:8000", True)]
)
async def test_what_a_project_names_itself_is_trusted(
    monkeypatch: pytest.MonkeyPatch, url: str, loopback: bool
) -> None:
    guarded = Guarded(monkeypatch)
    client = ClientInformation(issuer="https://sso.intranet", client_id="c")
    authorization = Authorization(url, registration=Registration(client=client), fallback=False)

    with pytest.raises(MetadataNotFound):
        await authorization.discover()

    host = url.split("/")[2].partition(":")[0]
    assert guarded.arguments == [{"trusted": [host, "sso.intranet"], "loopback": loopback}]


async def test_private_addresses_are_reached_where_that_is_allowed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    guarded = Guarded(monkeypatch)

    with pytest.raises(RequestFailed):
        await Authorization("http://127.0.0.1:1", allow_private=True).discover()

    assert not guarded.arguments


def certified(name: str) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """A server's context with a certificate for `name`, and a client's that trusts it."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = certificate.public_bytes(serialization.Encoding.PEM)
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with tempfile.NamedTemporaryFile() as file:
        file.write(pem + private)
        file.flush()
        server.load_cert_chain(file.name)
    return server, ssl.create_default_context(cadata=pem.decode())


@pytest.mark.parametrize(("name", "proven"), [("auth.example", True), ("evil.example", False)])
async def test_tls_proves_the_name_and_not_the_address(
    names: dict[str, list[list[str]]], name: str, proven: bool
) -> None:
    """The connection goes to an address; the certificate is still that of the name."""
    server, client_context = certified(name)
    names["auth.example"] = [["127.0.0.1"]]
    ended = anyio.Event()

    async def handle(stream: anyio.abc.SocketStream) -> None:
        async with stream:
            with suppress(anyio.BrokenResourceError, anyio.EndOfStream, ssl.SSLError):
                tls = await TLSStream.wrap(stream, server_side=True, ssl_context=server)
                await tls.receive()
                await tls.send(b"HTTP/1.1 204 No Content\r\n\r\n")
        ended.set()

    async with (
        await anyio.create_tcp_listener(local_host="127.0.0.1") as listener,
        anyio.create_task_group() as tasks,
    ):
        tasks.start_soon(listener.serve, handle)
        port = listener.extra(anyio.abc.SocketAttribute.local_port)
        inner = httpx.AsyncHTTPTransport(verify=client_context)
        transport = PublicTransport(inner, loopback=True)
        async with httpx.AsyncClient(transport=transport) as client:
            if proven:
                response = await client.get(f"https://auth.example:{port}/")
                assert response.status_code == 204
            else:
                with pytest.raises(httpx.ConnectError, match=r"auth\.example"):
                    await client.get(f"https://auth.example:{port}/")
        await ended.wait()
        tasks.cancel_scope.cancel()
