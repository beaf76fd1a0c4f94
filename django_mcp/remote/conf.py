"""The DJANGO_MCP_REMOTE setting as one typed object, read when it is first needed.

How a setting is read and what is said of a wrong one, is `django_mcp.conf`.
"""

from dataclasses import dataclass
from functools import cache
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from pydantic import PositiveFloat

from .. import conf

SETTING = "DJANGO_MCP_REMOTE"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What DJANGO_MCP_REMOTE may say; every key is optional, and written in capitals there."""

    client_name: str = "django_mcp"
    """What authorization servers, and the people they ask, are told this project is called."""
    client_metadata_url: str | None = None
    """The https URL of the project's own client metadata document, if it publishes one."""
    redirect_uri: str | None = None
    """The whole URL of the callback view, as authorization servers know it. None for that of the
    host a request was made to."""
    allow_private: bool = False
    """Whether a server may lead to an authorization server at a private address."""
    allow_stdio: bool = False
    """Whether the admin may name programs to be started in place of a URL."""
    test_seconds: PositiveFloat = 10.0
    """How long the admin waits for a server that is tried out, and for one to end a token."""


def problems(given: object) -> list[tuple[str, str]]:
    """What is wrong with the value of the setting, as pairs of a message and a hint."""
    further = {"REDIRECT_URI": _redirect_problem, "CLIENT_METADATA_URL": _document_problem}
    return conf.problems_of(SETTING, Settings, given, further)


@cache
def get() -> Settings:
    """The settings; raises ImproperlyConfigured where they cannot be read."""
    given = getattr(settings, SETTING, {})
    return Settings(**conf.checked(given, problems(given)))


def forget(*, setting: str, **kwargs: Any) -> None:
    """Receiver of `setting_changed`: read what has changed anew when it is next needed."""
    if setting == SETTING:
        get.cache_clear()


def _redirect_problem(value: Any) -> str | None:
    if value is None:
        return None
    parts = urlsplit(value)
    if parts.scheme in ("http", "https") and parts.netloc and parts.path and not parts.fragment:
        return None
    return 'It is the URL of the callback view, such as "https://example.com/remote/callback/".'


def _document_problem(value: Any) -> str | None:
    if value is None:
        return None
    parts = urlsplit(value)
    is_bare = parts.username is None and parts.password is None and not parts.fragment
    if parts.scheme == "https" and parts.netloc and parts.path not in ("", "/") and is_bare:
        return None
    return 'It is an https URL with a path, such as "https://example.com/mcp-client.json".'
