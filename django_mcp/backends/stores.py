"""Which stores DJANGO_MCP["SESSIONS"] names, made when a server first needs them.

The ones on the database have models, which cannot be imported before Django has loaded its apps,
and servers are made before that; so they are named here, and imported when they are asked for.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, TypeAlias

from django.core.exceptions import ImproperlyConfigured
from django.utils.module_loading import import_string

from .. import conf
from ..server.events import EventLog, InMemoryEvents, NoEvents
from ..server.sessions import InMemorySessions, Limits, NoSessions, SessionStore

Stores: TypeAlias = tuple[SessionStore, EventLog]

#: What a word in the setting stands for: dotted paths of callables that take a `conf.Settings`.
NAMED: Final[Mapping[str, str]] = {
    "database": "django_mcp.backends.orm.stores",
    "cache": "django_mcp.backends.cache.stores",
    "memory": "django_mcp.backends.stores.in_memory",
}


def stores() -> Stores:
    """Who keeps sessions, and who keeps the events of their streams, as the settings have it.

    Raises ImproperlyConfigured where the project's own callable returns something else.
    """
    settings = conf.get()
    if settings.sessions is None:
        return NoSessions(), NoEvents()
    if isinstance(settings.sessions, str) and settings.sessions in NAMED:
        named: Stores = import_string(NAMED[settings.sessions])(settings)
        return named
    found = conf.load(settings.sessions)()
    if not (isinstance(found, tuple) and len(found) == 2):
        raise ImproperlyConfigured(
            f"DJANGO_MCP['SESSIONS'] names a callable that returned {found!r}: it has to return a "
            "SessionStore and an EventLog."
        )
    return found


def in_memory(settings: conf.Settings) -> Stores:
    """Stores in the memory of this process."""
    return InMemorySessions(limits_of(settings)), InMemoryEvents(settings.event_lifetime)


def limits_of(settings: conf.Settings) -> Limits:
    """The limits of sessions. Callers without a name may have half of them together."""
    of_one = settings.max_sessions_per_principal
    return Limits(
        idle=settings.session_idle,
        absolute=settings.session_lifetime,
        of_server=settings.max_sessions,
        of_one=of_one,
        of_anonymous=max(of_one, settings.max_sessions // 2),
    )
