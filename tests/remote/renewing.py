"""A process of a site whose user is connected: `python -m tests.remote.renewing DATABASE URL what`.

With "prepare" it makes the database and the user's connection; else it makes one request in the
name of the user, and prints what was answered.
"""

from __future__ import annotations

import asyncio
import sys
from typing import Any

import django
from django.conf import settings

from tests import settings as ours


def main(database: str, origin: str, what: str) -> None:
    given = {name: getattr(ours, name) for name in dir(ours) if name.isupper()}
    sqlite = {"ENGINE": "django.db.backends.sqlite3", "NAME": database}
    settings.configure(**{**given, "DATABASES": {"default": sqlite}})
    django.setup()
    from django.core.management import call_command
    from django.db import connections

    if what == "prepare":
        call_command("migrate", verbosity=0)
        connections.close_all()
    asyncio.run(run(prepare if what == "prepare" else request, origin))


async def run(function: Any, origin: str) -> None:
    from asgiref.sync import sync_to_async
    from django.db import connections

    await function(origin)
    await sync_to_async(connections.close_all)()


async def prepare(origin: str) -> None:
    from django.contrib.auth import get_user_model

    from django_mcp.client.auth import ClientInformation, Tokens
    from django_mcp.remote.models import RemoteServer
    from django_mcp.remote.storage import Storage, digest_of

    user = await get_user_model().objects.acreate(username="anna")
    url = f"{origin}/mcp"
    server = await RemoteServer.objects.acreate(name="mcp", url=url, authorization="user")
    storage = Storage(server, user.pk, client=digest_of(origin, "c1"))
    await storage.set_client(origin, ClientInformation(issuer=origin, client_id="c1"))
    tokens = Tokens(access_token="AT-0", refresh_token="RT-0", issuer=origin, resource=url)
    await storage.set_tokens(url, tokens)


async def request(origin: str) -> None:
    import httpx
    from asgiref.sync import sync_to_async
    from django.contrib.auth import get_user_model

    from django_mcp.remote.authorizing import auth_of
    from django_mcp.remote.models import RemoteServer

    user = await get_user_model().objects.aget()
    server = await RemoteServer.objects.aget()
    auth = await sync_to_async(auth_of)(server, user.pk)
    async with httpx.AsyncClient(auth=auth, trust_env=False, timeout=30) as http:
        print((await http.post(server.url)).status_code)


if __name__ == "__main__":
    main(*sys.argv[1:])
