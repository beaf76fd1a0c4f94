"""The request that code written for pages is asked with, made of the one that brought the call.

From the caller's come the host, the scheme, the address, the prefix the project is served under,
and the headers named in `CARRIED` or by the tool. What belongs to the message (its length, type and
conditions), the credential and all cookies stay behind. So nothing a client may send alters which
method, path or body that code sees: those are made of checked arguments alone.

The user is the caller's principal, the session and the messages last as long as the request does.
What runs around the code is its caller's business: no middleware has seen the request.
"""

from __future__ import annotations

import io
import json
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import MappingProxyType
from typing import Any, Final
from urllib.parse import urlencode

from django.apps import apps
from django.conf import settings
from django.contrib.auth import (
    BACKEND_SESSION_KEY,
    HASH_SESSION_KEY,
    SESSION_KEY,
)
from django.contrib.messages.storage import default_storage
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.handlers.wsgi import WSGIRequest
from django.urls import get_script_prefix, set_script_prefix

from ..server.access import Principal
from .passing_session import PassingSession

#: Headers of the call that are passed on: who asks from where, in which language, and for tracing.
CARRIED: Final = (
    "host",
    "user-agent",
    "accept-language",
    "forwarded",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-port",
    "x-forwarded-proto",
    "x-real-ip",
    "x-request-id",
    "x-correlation-id",
    "traceparent",
    "tracestate",
)

#: What no tool can have carried: it would contradict what the request is made of.
NEVER_CARRIED: Final = frozenset(
    {"cookie", "content-length", "content-type", "transfer-encoding", "accept", "connection"}
)

#: JSON where the view has it, and whatever else it has.
ACCEPT: Final = "application/json, */*;q=0.5"


class CallRequest(WSGIRequest):
    """A request of a call. `mcp_principal` is who calls.

    Middleware puts a session that is kept, and permission to cache the response, on a request;
    neither fits one without cookies. A cache would hand one caller's page to whoever has none.
    """

    mcp_principal: Principal

    def __init__(self, environ: dict[str, Any]) -> None:
        super().__init__(environ)
        self._passing_session = PassingSession()

    @property
    def session(self) -> Any:
        return self._passing_session

    @session.setter
    def session(self, value: Any) -> None:
        """Keep the one there is."""

    @property
    def _cache_update_cache(self) -> bool:
        return False

    @_cache_update_cache.setter
    def _cache_update_cache(self, value: bool) -> None:
        """Nothing is cached."""


def request_for(
    principal: Principal,
    method: str,
    path_info: str,
    *,
    origin: Any = None,
    headers: Mapping[str, str] = MappingProxyType({}),
    carried: tuple[str, ...] = (),
    query: Sequence[tuple[str, str]] = (),
    form: Sequence[tuple[str, str | SimpleUploadedFile]] | None = None,
    json: Any = None,
) -> CallRequest:
    """A request of the principal for `path_info`, with the fields of `form` or `json` as its body.

    `origin` is the request that brought the call, a Django request or an ASGI scope, and `headers`
    are its headers; of those that are named in `carried` go along besides the usual ones.
    """
    body, content_type = _body(form, json)
    environ: dict[str, Any] = {
        **_connection(origin),
        **_carried(headers, (*CARRIED, *carried)),
        "REQUEST_METHOD": method,
        "PATH_INFO": _as_wsgi(path_info),
        "QUERY_STRING": urlencode(query),
        "SERVER_PROTOCOL": "HTTP/1.1",
        "HTTP_ACCEPT": ACCEPT,
        "wsgi.input": io.BytesIO(body),
    }
    environ.setdefault("HTTP_HOST", _a_host())
    if content_type:
        environ["CONTENT_TYPE"] = content_type
        environ["CONTENT_LENGTH"] = str(len(body))
    request = CallRequest(environ)
    # Cookies are never looked at, so there is nothing a page of another site could borrow.
    request._dont_enforce_csrf_checks = True  # type: ignore[attr-defined]
    _let_in(request, principal)
    return request


def messages_of(request: Any) -> list[Any]:
    """The messages that were added to `request`, in order."""
    return list(getattr(request, "_messages", ()))


@contextmanager
def prefix_of(request: CallRequest) -> Iterator[None]:
    """Within it, URLs are made for where `request` finds the project served."""
    before = get_script_prefix()
    set_script_prefix(request.META["SCRIPT_NAME"])
    try:
        yield
    finally:
        set_script_prefix(before)


def _as_wsgi(path: str) -> str:
    """A path as WSGI has it: the bytes in a text, each as a letter of Latin-1 (PEP 3333)."""
    return path.encode().decode("latin-1")


def _body(
    form: Sequence[tuple[str, str | SimpleUploadedFile]] | None, data: Any
) -> tuple[bytes, str]:
    if form is not None:
        if any(isinstance(value, SimpleUploadedFile) for _, value in form):
            return _multipart(form)
        return urlencode(form).encode(), "application/x-www-form-urlencoded"
    if data is not None:
        return json.dumps(data).encode(), "application/json"
    return b"", ""


def _multipart(form: Sequence[tuple[str, str | SimpleUploadedFile]]) -> tuple[bytes, str]:
    """A form with files as a browser sends it (RFC 7578; how names are written, WHATWG's HTML)."""
    boundary = uuid.uuid4().hex
    body = bytearray()
    for name, value in form:
        body += f'--{boundary}\r\nContent-Disposition: form-data; name="{_quoted(name)}"'.encode()
        if isinstance(value, SimpleUploadedFile):
            body += f'; filename="{_quoted(str(value.name))}"\r\n'.encode()
            body += f"Content-Type: {value.content_type}\r\n\r\n".encode()
            body += value.read()
        else:
            body += b"\r\n\r\n" + value.encode()
        body += b"\r\n"
    body += f"--{boundary}--\r\n".encode()
    return bytes(body), f"multipart/form-data; boundary={boundary}"


def _quoted(name: str) -> str:
    for letter, written in (('"', "%22"), ("\r", "%0D"), ("\n", "%0A")):
        name = name.replace(letter, written)
    return name


def _let_in(request: Any, principal: Principal) -> None:
    """Make `principal` the user of `request`, for Django and for REST framework alike."""
    request.mcp_principal = principal
    if apps.is_installed("django.contrib.messages"):
        # MessageMiddleware puts another in its place; without it, a view has this.
        request._messages = default_storage(request)
    if not apps.is_installed("django.contrib.auth"):
        return
    user = principal.user
    if user is None:
        # Not at the top: it imports models.
        from django.contrib.auth.models import AnonymousUser

        user = AnonymousUser()
    else:
        # What REST framework's own test client sets: it then asks no authentication class.
        request._force_auth_user = user
        _sign_in(request.session, user)

    async def auser() -> Any:
        return user

    request.user = user
    request.auser = auser
    # Where AuthenticationMiddleware looks before it looks into the session.
    request._cached_user = request._acached_user = user


def _sign_in(session: PassingSession, user: Any) -> None:
    """Have the session say what it says of a user who has logged in: some middleware asks it."""
    backends = [getattr(user, "backend", None), *settings.AUTHENTICATION_BACKENDS]
    session[SESSION_KEY] = str(getattr(user, "pk", ""))
    session[BACKEND_SESSION_KEY] = next((each for each in backends if each), "")
    if hasattr(user, "get_session_auth_hash"):
        session[HASH_SESSION_KEY] = user.get_session_auth_hash()


# ----------------------------------------------------------------------------- the caller's request

_OF_META: Final = (
    "REMOTE_ADDR",
    "REMOTE_PORT",
    "SERVER_NAME",
    "SERVER_PORT",
    "SCRIPT_NAME",
)
_SECURE: Final[Mapping[str, str]] = MappingProxyType({"wss": "https", "ws": "http"})


def _connection(real: Any) -> dict[str, Any]:
    """Where the caller's request came from and to: of Django's request, an ASGI scope, or none."""
    found: dict[str, Any] = {"SERVER_NAME": "localhost", "SERVER_PORT": "80", "SCRIPT_NAME": ""}
    if isinstance(real, Mapping):
        scheme = real.get("scheme", "http")
        found["wsgi.url_scheme"] = _SECURE.get(scheme, scheme)
        found["SCRIPT_NAME"] = _as_wsgi(real.get("root_path") or "")
        if real.get("client"):
            found["REMOTE_ADDR"], found["REMOTE_PORT"] = real["client"][0], str(real["client"][1])
        if real.get("server"):
            found["SERVER_NAME"], port = real["server"]
            found["SERVER_PORT"] = str(port or 80)
    elif real is not None:
        found.update({key: real.META[key] for key in _OF_META if key in real.META})
        found["wsgi.url_scheme"] = real._get_scheme() or "http"
    else:
        # A client of this machine, on no connection at all.
        found["wsgi.url_scheme"] = "https" if settings.SECURE_SSL_REDIRECT else "http"
        found["REMOTE_ADDR"] = "127.0.0.1"
    return found


def _carried(headers: Mapping[str, str], names: tuple[str, ...]) -> dict[str, str]:
    proxy = settings.SECURE_PROXY_SSL_HEADER
    if proxy:
        names = (*names, proxy[0].removeprefix("HTTP_").replace("_", "-").lower())
    return {
        f"HTTP_{name.upper().replace('-', '_')}": headers[name] for name in names if name in headers
    }


def _a_host() -> str:
    """A host of the project, where the call came with none."""
    named = [host.lstrip(".") for host in settings.ALLOWED_HOSTS if host.strip(".*")]
    return named[0] if named else "localhost"
