"""The server: a tool that a test moves like a puppet, a resource, and a tool that needs nobody.

The puppet calls the test back over the loopback interface, does what each line it reads says, and
tells when that is done. So a call lasts exactly as long as a test wants it to, in whatever process
it runs. The test's end of the strings is `tests.processes.strings`.
"""

from __future__ import annotations

import asyncio
import json
from typing import Any

from django.contrib.auth.models import Group

from django_mcp import Context, ModelResource, expose, resource, tool

HOST = "127.0.0.1"


@tool
async def puppet(ctx: Context, port: int) -> str:
    """Do what is said on the strings, until it is to return."""
    reader, writer = await asyncio.open_connection(HOST, port)
    try:
        while line := await reader.readline():
            word, said = json.loads(line)
            if word == "return":
                return str(said)
            tell(writer, "done", await do(ctx, word, said))
        return "Nobody pulls the strings any more."
    except asyncio.CancelledError:
        tell(writer, "cancelled", None)
        raise
    finally:
        writer.close()


async def do(ctx: Context, word: str, said: str) -> Any:
    """Do one thing, and return what came of it."""
    match word:
        case "say":
            await ctx.info(said)
        case "ask":
            return (await ctx.ask(said)).data
        case "close":
            await ctx.close_stream(retry=0)
    return None


def tell(writer: asyncio.StreamWriter, word: str, what: Any) -> None:
    """Tell the test."""
    writer.write(json.dumps([word, what]).encode() + b"\n")


@tool
async def add(a: int, b: int) -> int:
    """Add, which needs neither a database nor another process."""
    return a + b


@tool
async def count_groups() -> int:
    """Count the rows of a table."""
    return await Group.objects.acount()


@tool
async def touch(ctx: Context, uri: str) -> str:
    """Say that a resource changed."""
    ctx.notify_resource_updated(uri)
    return "Told."


@resource("notes://{name}")
async def note(name: str) -> str:
    """A note."""
    return f"The note {name}."


@expose(Group)
class Groups(ModelResource):
    """Groups, for everybody; those with a dot before their name are hidden."""

    fields = ("name",)

    def has_view_permission(self, ctx: Any, obj: Any = None) -> bool:
        return True

    def get_queryset(self, ctx: Any) -> Any:
        return super().get_queryset(ctx).exclude(name__startswith=".")
