"""A server is tried out: reached, asked what it is and what tools it has, and that is kept.

What is kept is in English, for it is read by others; who tries a server out is told in their own
language.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any, Final

from asgiref.sync import sync_to_async
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext, override

from ..client import ClientError
from ..client.auth import OAuthError
from . import conf
from .clients import client_of
from .errors import NotConnected
from .models import RemoteServer
from .storage import shown

#: Tools that are kept, and characters of what each says of itself.
MOST_TOOLS: Final = 500
LONGEST: Final = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Examination:
    """What came of it: a sentence, and with `connect_url` where the user has to go first."""

    worked: bool
    text: str
    connect_url: str = ""


async def examine(server: RemoteServer, user: Any) -> Examination:
    """Connect to `server` as `user` does, within TEST_SECONDS, and keep what it says."""
    seconds = conf.get().test_seconds
    try:
        async with asyncio.timeout(seconds):
            info, tools = await _asked(server, user, seconds)
    except NotConnected as error:
        text = _("You are not connected to this server yourself.")
        return Examination(worked=False, text=text, connect_url=error.url)
    except TimeoutError:
        text = _no_answer(seconds)
        with override(None):
            problem = _no_answer(seconds)
    except (ClientError, OAuthError, ValueError) as error:
        text = problem = shown(str(error), LONGEST) or type(error).__name__
    else:
        await _keep(server, problem="", info=info, tools=tools, tools_seen=timezone.now())
        name = " ".join(filter(None, [info["title"] or info["name"], info["version"]])) or "?"
        said = ngettext(
            "%(name)s, revision %(revision)s: %(number)d tool.",
            "%(name)s, revision %(revision)s: %(number)d tools.",
            len(tools),
        )
        text = said % {"name": name, "revision": info["revision"], "number": len(tools)}
        return Examination(worked=True, text=text)
    await _keep(server, problem=problem)
    return Examination(worked=False, text=text)


def _no_answer(seconds: float) -> str:
    return _("There was no answer within %(seconds)s seconds.") % {"seconds": f"{seconds:g}"}


async def _asked(
    server: RemoteServer, user: Any, seconds: float
) -> tuple[dict[str, str], list[dict[str, str]]]:
    client = await sync_to_async(client_of)(server, user, timeout=seconds, cache=False)
    async with client:
        tools = await client.list_tools() if client.server_capabilities.tools is not None else []
        said = client.server_info
        info = {
            "name": _line(said.name if said else ""),
            "title": _line(said.title if said else ""),
            "version": _line(said.version if said else ""),
            "revision": client.revision,
        }
    kept = [
        {
            "name": _line(tool.name),
            "title": _line(tool.title),
            "description": _line(tool.description),
        }
        for tool in tools[:MOST_TOOLS]
    ]
    return info, kept


async def _keep(server: RemoteServer, **values: Any) -> None:
    rows = RemoteServer.objects.filter(pk=server.pk)
    await rows.aupdate(seen=timezone.now(), **values)


def _line(text: str | None) -> str:
    return shown(text or "", LONGEST)
