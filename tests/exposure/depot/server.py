"""Servers for the tests of exposed models, and what is on their shelves."""

from __future__ import annotations

import datetime
from decimal import Decimal
from typing import Any

from asgiref.sync import async_to_sync, sync_to_async
from django.contrib.auth.models import Permission, User
from django.core.management.color import no_style
from django.db import connections
from django.test.utils import CaptureQueriesContext

from django_mcp import ANONYMOUS, MCPServer, Principal
from tests.conversations.talk import consumer_of
from tests.doors import AsgiDoor, Reply, envelope

from . import models


class Guest:
    """A client of a server that acts for one user."""

    def __init__(self, server: MCPServer, user: Any = None) -> None:
        self._user = user
        self._ids = iter(range(1, 1_000_000))
        self.door: AsgiDoor = consumer_of(server, authenticate=self._principal)

    async def _principal(self, request: Any) -> Principal:
        # Async, since a sync tool that asks its user waits on the only thread a test has.
        if self._user is None:
            return ANONYMOUS
        return Principal(id=f"user:{self._user.pk}", user=self._user)

    async def ask(self, method: str, **params: Any) -> Reply:
        return await self.door.post(envelope(method, params, id=next(self._ids)))

    def ask_now(self, method: str, **params: Any) -> Reply:
        """The same for a test that is not asynchronous."""
        reply: Reply = async_to_sync(self.ask)(method, **params)
        return reply

    async def call(self, tool: str, /, **arguments: Any) -> Any:
        """The structured content of a tool's result; fails where the tool did."""
        result = (await self.ask("tools/call", name=tool, arguments=arguments)).result
        assert not result.get("isError"), result
        return result["structuredContent"]

    async def fail(self, tool: str, /, **arguments: Any) -> str:
        """What a tool says that failed."""
        result = (await self.ask("tools/call", name=tool, arguments=arguments)).result
        assert result["isError"], result
        return str(result["content"][0]["text"])

    async def tools(self) -> dict[str, Any]:
        """The tools by name."""
        result = (await self.ask("tools/list")).result
        return {tool["name"]: tool for tool in result["tools"]}


def user_with(*codenames: str, name: str = "ann") -> User:
    """A user with these permissions on the models of the tests."""
    user = User.objects.create_user(name)
    for codename in codenames:
        user.user_permissions.add(
            Permission.objects.get(
                content_type__app_label__in=("depot", "workshop"), codename=codename
            )
        )
    return user


def fill(using: str = "default") -> None:
    """A few things, with keys that tests may count on in any database."""
    france = models.Country.objects.using(using).create(code="fr", name="France")
    atlantis = models.Country.objects.using(using).create(code="at", name="Atlantis", hidden=True)
    acme = models.Maker.objects.using(using).create(pk=1, name="Acme", country=france, salary=5)
    deep = models.Maker.objects.using(using).create(pk=2, name="Deep", country=atlantis, salary=1)
    old = models.Tag.objects.using(using).create(pk=1, word="old")
    blue = models.Tag.objects.using(using).create(pk=2, word="blue")
    lamp = models.Thing.objects.using(using).create(
        pk=1,
        name="Lamp",
        slug="lamp",
        count=3,
        price=Decimal("12.5000"),
        weight=1.5,
        state="used",
        level=2,
        made_on=datetime.date(1999, 12, 31),
        seen_at=datetime.datetime(2026, 1, 31, 12, 30, 0, 123456, tzinfo=datetime.UTC),
        opens=datetime.time(9, 30),
        kept_for=datetime.timedelta(days=2, seconds=5, microseconds=7),
        address="2001:db8::1",
        data={"a": [1, None, "é"]},
        maker=acme,
        notes="has a cord",
        password="hunter2",
        api_token="t0ken",
    )
    lamp.tags.set([old, blue])
    models.Thing.objects.using(using).create(
        pk=2, name="Anchor", slug="anchor", count=1, maker=deep, fragile=True
    )
    models.Thing.objects.using(using).create(
        pk=3, name="Zither", slug="zither", count=2, price=Decimal("0.0001")
    )
    # Keys that were given are not known to the sequences of some databases.
    made = [models.Maker, models.Tag, models.Thing, models.Paper]
    connection = connections[using]
    with connection.cursor() as cursor:
        for statement in connection.ops.sequence_reset_sql(no_style(), made):
            cursor.execute(statement)


#: In what keeps a limit of time, on PostgreSQL and on MariaDB.
OF_LIMITS = ("SAVEPOINT", "statement_timeout", "max_statement_time")


async def captured_in(call: Any, using: str = "default") -> list[str]:
    """The statements of a call, without those that limit its time; the connection is that of the
    thread tests share."""
    context = await sync_to_async(lambda: CaptureQueriesContext(connections[using]))()
    await sync_to_async(context.__enter__)()
    await call

    def ended() -> list[str]:
        context.__exit__(None, None, None)
        statements = [query["sql"] for query in context.captured_queries]
        return [each for each in statements if not any(part in each for part in OF_LIMITS)]

    return await sync_to_async(ended)()
