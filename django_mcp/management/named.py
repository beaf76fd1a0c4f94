"""What the options of a command name: a server of this project, one of its users, a header, a URL.

How each command words the option is its own; that there is no such thing is said here.
"""

from __future__ import annotations

import re
from collections.abc import Container, Iterable
from typing import Final
from urllib.parse import urlsplit

from django.contrib.auth import get_user_model
from django.core.exceptions import ImproperlyConfigured, ObjectDoesNotExist
from django.core.management.base import CommandError
from django.db import DatabaseError, InterfaceError

from ..authentication import principal_of
from ..default import every_server, server_named
from ..protocol.headers import SENDERS_OWN
from ..server.access import Principal
from ..server.server import MCPServer
from ..transports.http.types import Refused

__all__ = ["every_server", "headers_of", "is_url", "principal_called", "server_called"]

_HEADER: Final = re.compile(r"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([ -~]*)")


def server_called(name: str | None) -> MCPServer:
    """The server of that name, by default the default one; raises CommandError for none."""
    try:
        return server_named(name)
    except LookupError as error:
        raise CommandError(error.args[0]) from None


def principal_called(username: str) -> Principal:
    """The principal of a user as it is now; raises Refused where it may not call.

    Where the database cannot say, the status is 503: it may another time.
    """
    try:
        user = get_user_model()._default_manager.get_by_natural_key(username)
    except ImproperlyConfigured as error:
        raise Refused(403, f"--user {username!r}: this project has no users: {error}") from None
    except ObjectDoesNotExist:
        raise Refused(403, f"There is no user {username!r}: name one with --user.") from None
    except (DatabaseError, InterfaceError) as error:
        raise Refused(
            503,
            f"The user {username!r} cannot be looked up: {error}. Is it the right database, and "
            "has manage.py migrate been run?",
        ) from error
    if not user.is_active:
        raise Refused(403, f"The user {username!r} is not active.")
    return principal_of(user)


def is_url(text: str, schemes: Container[str]) -> bool:
    """Whether `text` is a whole URL of one of `schemes`, with a host and a port that there is."""
    try:
        parts = urlsplit(text)
        _ = parts.port
    except ValueError:
        return False
    return text.isprintable() and parts.scheme in schemes and bool(parts.hostname)


def headers_of(given: Iterable[str]) -> dict[str, str]:
    """The headers of "Name: value"; raises CommandError, which does not repeat the value."""
    found: dict[str, str] = {}
    for header in given:
        match = _HEADER.fullmatch(header)
        if match is None or not match[2].strip():
            name = header.partition(":")[0][:40] if ":" in header else "…"
            raise CommandError(
                f'--header {name!r}: write it as "Name: value", on one line, in ASCII.'
            )
        if match[1].lower() in SENDERS_OWN:
            raise CommandError(
                f"--header {match[1]!r}: leave it out, whoever sends the request writes that one."
            )
        found[match[1]] = match[2].strip()
    return found
