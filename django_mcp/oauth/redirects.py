"""Redirect URIs: which may be registered, and which of them a request may name.

https anywhere, or http on this computer, or what the setting EXTRA_REDIRECT_URIS has letter by
letter. A request must name one of its client's exactly, but for the port of an address of this
computer, which a program is given anew each time (RFC 8252, section 7.3).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final
from urllib.parse import SplitResult, parse_qsl, urlencode, urlsplit, urlunsplit

from django.http import HttpResponseRedirect

from . import conf

#: Names and addresses of this computer; a program that listens there, listens on nothing else.
LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "::1"})
LONGEST: Final = 2048

_CLEAN: Final = re.compile(r"[\x21-\x7e]+")
#: A host, of which a policy for content (CSP) can name the origin, and a port.
_AUTHORITY: Final = re.compile(r"([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(:[0-9]*)?")


def is_acceptable(uri: str) -> bool:
    """True where a client may register `uri`."""
    if uri in conf.get().extra_redirect_uris:
        return True
    parts = _parsed(uri)
    if parts is None:
        return False
    return parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in LOOPBACK)


def matches(uri: str, registered: Iterable[str]) -> bool:
    """True where a request of a client with the URIs `registered` may name `uri`."""
    if not is_acceptable(uri):
        return False
    return any(uri == other or _differ_by_port(uri, other) for other in registered)


def is_loopback(uri: str) -> bool:
    """True where `uri` leads to a program on the user's own computer: by address, or by scheme."""
    parts = _parsed(uri)
    return parts is None or parts.scheme == "http"


def host_of(uri: str) -> str:
    """What people are told of where `uri` leads: its host, or its scheme where it has none."""
    parts = urlsplit(uri)
    return parts.netloc if parts.scheme in ("http", "https") else f"{parts.scheme}:"


def origin_of(uri: str) -> str:
    """The source that a policy for content (CSP) names for `uri`."""
    parts = urlsplit(uri)
    if parts.scheme in ("http", "https") and "[" not in parts.netloc:
        return f"{parts.scheme}://{parts.netloc}"
    return f"{parts.scheme}:"  # Such a policy knows no addresses of IPv6.


class Redirect(HttpResponseRedirect):
    """An answer to a client, at a redirect URI that was checked; with parameters added to it."""

    def __init__(self, uri: str, *, after_post: bool = False, **parameters: str | None) -> None:
        parts = urlsplit(uri)
        self.allowed_schemes = [parts.scheme]
        given = {name: value for name, value in parameters.items() if value is not None}
        # What was registered may have parameters of its own; ours count.
        kept = [(n, v) for n, v in parse_qsl(parts.query, keep_blank_values=True) if n not in given]
        super().__init__(urlunsplit(parts._replace(query=urlencode([*kept, *given.items()]))))
        if after_post:
            self.status_code = 303  # What follows is a GET, whatever this was.
        self["Cache-Control"] = "no-store"
        self["Referrer-Policy"] = "no-referrer"


def _parsed(uri: str) -> SplitResult | None:
    """The parts of an http or https URI without tricks in it; None for any other."""
    if len(uri) > LONGEST or not _CLEAN.fullmatch(uri) or "\\" in uri or "#" in uri:
        return None
    try:
        parts = urlsplit(uri)
        port = parts.port
    except ValueError:
        return None
    if parts.scheme not in ("http", "https") or not _AUTHORITY.fullmatch(parts.netloc):
        return None
    if port == 0 or any(p in (".", "..") for p in parts.path.split("/")):
        return None
    return parts


def _differ_by_port(uri: str, registered: str) -> bool:
    one, other = _parsed(uri), _parsed(registered)
    if one is None or other is None:
        return False
    if one.scheme != "http" or one.hostname not in LOOPBACK or one.hostname != other.hostname:
        return False
    return one._replace(netloc="") == other._replace(netloc="")
