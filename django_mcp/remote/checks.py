"""System checks: what keeps users from connecting, and what is not safe to run with.

E001  DJANGO_MCP_REMOTE has an unknown key or a value of the wrong type
E002  the pages on which users connect lack a middleware or the templates they need
E003  outside DEBUG, REDIRECT_URI is plain http to another machine
W001  the URLs of the app are not included, so users cannot connect
W002  SESSION_COOKIE_SAMESITE keeps who comes back from being known
W003  the admin may start programs (with `check --deploy`)
"""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, Warning, register
from django.urls import NoReverseMatch, reverse

from ..client.auth.urls import is_loopback
from ..pages import missing_for
from . import conf

ID = "django_mcp_remote"


def _is_readable() -> bool:
    return not conf.problems(getattr(settings, conf.SETTING, {}))


@register(Tags.compatibility)
def check_settings(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """E001."""
    wrong = conf.problems(getattr(settings, conf.SETTING, {}))
    return [Error(message, hint=hint, id=f"{ID}.E001") for message, hint in wrong]


@register(Tags.urls)
def check_urls(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """W001, and E002 where there are pages."""
    try:
        reverse("django_mcp_remote:callback")
    except NoReverseMatch:
        return [
            Warning(
                "The URLs of django_mcp.remote are not included, so no user can connect to a"
                " server.",
                hint='Add path("remote/", include("django_mcp.remote.urls")) to the URLconf. Where'
                " no server is for users, silence this check.",
                id=f"{ID}.W001",
            )
        ]
    return [
        Error(
            f"The pages on which users connect to servers need {what}.",
            hint="See what `startproject` writes into MIDDLEWARE and TEMPLATES.",
            id=f"{ID}.E002",
        )
        for what in missing_for("django_mcp_remote/connect.html")
    ]


@register(Tags.security)
def check_safety(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """E003 and W002."""
    if not _is_readable():
        return []
    found: list[CheckMessage] = []
    parts = urlsplit(conf.get().redirect_uri or "")
    if parts.scheme == "http" and not is_loopback(parts.hostname or "") and not settings.DEBUG:
        found.append(
            Error(
                f"{conf.SETTING}['REDIRECT_URI'] is plain http, and codes come back to it.",
                hint="Serve the project over https, and name it so.",
                id=f"{ID}.E003",
            )
        )
    if settings.SESSION_COOKIE_SAMESITE == "Strict":
        found.append(
            Warning(
                'SESSION_COOKIE_SAMESITE is "Strict": whoever comes back from another site looks'
                " logged out, and cannot be connected to a server.",
                hint='Set it to "Lax", which is Django\'s default.',
                id=f"{ID}.W002",
            )
        )
    return found


@register(Tags.security, deploy=True)
def check_programs(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """W003."""
    if not _is_readable() or not conf.get().allow_stdio:
        return []
    return [
        Warning(
            "Whoever may change remote servers in the admin can start any program on this machine.",
            hint=f"Take ALLOW_STDIO out of {conf.SETTING}, or silence this check.",
            id=f"{ID}.W003",
        )
    ]
