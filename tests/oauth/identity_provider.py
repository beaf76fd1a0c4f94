"""An identity provider on a port of this machine: metadata, keys, introspection, and tokens.

What it answers at a path can be replaced by anything that a server can do wrong.
"""

from __future__ import annotations

import json
import ssl
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from tests.oauth.people import MCP

METADATA = "/.well-known/oauth-authorization-server/realms/acme"
CONFIGURATION = "/realms/acme/.well-known/openid-configuration"
KEYS = "/keys"
INTROSPECT = "/introspect"

#: What a test has a path do in place of its answer.
Behaviour = Callable[["Handler"], None]


@cache
def private_key(name: str) -> Any:
    """A key pair, the same for each name; how the name begins says of which kind."""
    if name.startswith("rsa"):
        return rsa.generate_private_key(public_exponent=65537, key_size=2048)
    if name.startswith("short"):
        return rsa.generate_private_key(public_exponent=65537, key_size=1024)
    if name.startswith("p384"):
        return ec.generate_private_key(ec.SECP384R1())
    if name.startswith("ed"):
        return ed25519.Ed25519PrivateKey.generate()
    return ec.generate_private_key(ec.SECP256R1())


ALGORITHMS = {"rsa": "RS256", "short": "RS256", "p384": "ES384", "ed": "EdDSA", "ec": "ES256"}


def algorithm_of(name: str) -> str:
    return next(value for kind, value in ALGORITHMS.items() if name.startswith(kind))


def public_jwk(name: str, **changed: Any) -> dict[str, Any]:
    """The public half as a JWK, called `name`."""
    algorithm: Any = jwt.get_algorithm_by_name(algorithm_of(name))
    said = algorithm.to_jwk(private_key(name).public_key(), as_dict=True)
    said = {name: value for name, value in said.items() if name not in ("key_ops", "use")}
    merged = {**said, "kid": name, "use": "sig", **changed}
    return {name: value for name, value in merged.items() if value is not None}


def public_pem(name: str) -> bytes:
    pem: bytes = (
        private_key(name)
        .public_key()
        .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    )
    return pem


def signed(body: bytes, key: str = "rsa", headers: dict[str, Any] | None = None) -> str:
    """A JWT with any claims, signed by `key`."""
    said = {"typ": "at+jwt", "kid": key, **(headers or {})}
    # None leaves a header out; of the type, PyJWT has to be told.
    said = {name: value for name, value in said.items() if value is not None or name == "typ"}
    return jwt.PyJWS().encode(body, private_key(key), algorithm=algorithm_of(key), headers=said)


class Handler(BaseHTTPRequestHandler):
    """One request to the provider."""

    idp: IdentityProvider
    form: dict[str, str]

    def do_GET(self) -> None:
        self._answer({})

    def do_POST(self) -> None:
        length = int(self.headers.get("content-length", 0))
        query = parse_qs(self.rfile.read(length).decode(), keep_blank_values=True)
        self._answer({name: values[0] for name, values in query.items()})

    def _answer(self, form: dict[str, str]) -> None:
        self.form = form
        idp = self.idp
        with idp.lock:
            idp.asked[self.path] += 1
            idp.seen.append((dict(self.headers.items()), form))
        with suppress(BrokenPipeError, ConnectionResetError):  # Whoever asked has hung up.
            idp.behaviours.get(self.path, Handler.usual)(self)

    def usual(self) -> None:
        document = self.idp.document_at(self.path, self.form)
        if document is None:
            self.send(b"{}", status=404)
        else:
            self.send(json.dumps(document).encode())

    def send(self, body: bytes, *, status: int = 200, **headers: str) -> None:
        self.send_response(status)
        said = {"Content-Type": "application/json", "Content-Length": str(len(body)), **headers}
        for name, value in said.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


class IdentityProvider:
    """What it is called, what it has been asked, and the tokens it issues."""

    def __init__(self, origin: str) -> None:
        self.origin = origin
        self.issuer = f"{self.origin}/realms/acme"
        self.keys: list[Any] = [public_jwk("rsa")]
        self.said_of: dict[str, Any] = {}
        self.metadata: dict[str, Any] = {
            "issuer": self.issuer,
            "jwks_uri": self.origin + KEYS,
            "introspection_endpoint": self.origin + INTROSPECT,
        }
        self.metadata_at = METADATA
        self.behaviours: dict[str, Behaviour] = {}
        self.asked: Counter[str] = Counter()
        self.seen: list[tuple[dict[str, str], dict[str, str]]] = []
        self.lock = threading.Lock()
        self.over = threading.Event()

    def document_at(self, path: str, form: dict[str, str]) -> dict[str, Any] | None:
        if path == self.metadata_at:
            return self.metadata
        if path == KEYS:
            return {"keys": self.keys}
        if path == INTROSPECT:
            said: dict[str, Any] = self.said_of.get(form.get("token", ""), {"active": False})
            return said
        return None

    def claims(self, **changed: Any) -> dict[str, Any]:
        """What a good token says; None leaves a claim out."""
        now = int(time.time())
        said = {
            "iss": self.issuer,
            "sub": "f3c1",
            "aud": MCP,
            "exp": now + 300,
            "iat": now,
            "scope": "mcp:read mcp:write",
            "client_id": "editor",
            **changed,
        }
        return {name: value for name, value in said.items() if value is not None}

    def token(
        self, key: str = "rsa", *, headers: dict[str, Any] | None = None, **changed: Any
    ) -> str:
        """A token that `key` has signed."""
        return signed(json.dumps(self.claims(**changed)).encode(), key, headers)

    def opaque(self, token: str = "opaque", **changed: Any) -> str:
        """A token that it says something of when it is asked."""
        claims = self.claims(active=True, token_type="Bearer", **changed)
        self.said_of[token] = claims
        return token


@contextmanager
def identity_provider(tls: ssl.SSLContext | None = None) -> Iterator[IdentityProvider]:
    """One that runs; over https, and as localhost, with the context of a server."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Own", (Handler,), {}))
    server.daemon_threads = True
    server.block_on_close = False
    origin = f"http://127.0.0.1:{server.server_port}"
    if tls is not None:
        origin = f"https://localhost:{server.server_port}"
        server.socket = tls.wrap_socket(server.socket, server_side=True)
        # What a handshake that fails has to say is not for the log of the tests.
        server.handle_error = lambda request, address: None  # type: ignore[method-assign]
    idp = IdentityProvider(origin)
    server.RequestHandlerClass.idp = idp  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield idp
    finally:
        idp.over.set()
        server.shutdown()
        server.server_close()
        thread.join(10)


# What a server can do wrong


def slow(handler: Handler) -> None:
    """Take the request, and never answer."""
    handler.idp.over.wait(60)


def dripping(handler: Handler) -> None:
    """Answer a byte at a time, for ever."""
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n{")
    while not handler.idp.over.wait(0.02):
        handler.wfile.write(b" ")


def dripping_headers(handler: Handler) -> None:
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nX-Slow: ")
    while not handler.idp.over.wait(0.02):
        handler.wfile.write(b"x")


def endless(handler: Handler) -> None:
    """Answer with more than anybody reads."""
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n")
    while not handler.idp.over.is_set():
        handler.wfile.write(b" " * 65536)


def hanging_up(handler: Handler) -> None:
    handler.connection.close()


def saying(body: bytes, *, status: int = 200, **headers: str) -> Behaviour:
    return lambda handler: handler.send(body, status=status, **headers)


def failing(handler: Handler) -> None:
    handler.send(b"Traceback (most recent call last): secret", status=500, Content_Type="text/html")


def redirecting(where: str) -> Behaviour:
    return lambda handler: handler.send(b"", status=302, Location=where)


WRONG: dict[str, Behaviour] = {
    "slow": slow,
    "dripping": dripping,
    "dripping headers": dripping_headers,
    "endless": endless,
    "hanging up": hanging_up,
    "500": failing,
    "404": saying(b"{}", status=404),
    "HTML": saying(b"<html>Sign in</html>", Content_Type="text/html"),
    "not JSON": saying(b"{"),
    "a list": saying(b"[]"),
    "not UTF-8": saying(b"\xff"),
    "deep": saying(b"[" * 5000),
    "huge numbers": saying(b'{"active": true, "exp": ' + b"9" * 5000 + b"}"),
    "huge": saying(b'{"active": true, "keys": [], "x": "' + b"x" * 300_000 + b'"}'),
    "doubled": saying(b'{"active": false, "active": true}'),
    "compressed": saying(b"\x1f\x8b", Content_Encoding="gzip"),
    "redirecting": redirecting("/elsewhere"),
}
