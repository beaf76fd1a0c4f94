"""The server under fuzz: something of each kind, behind functions that never raise by themselves.

So an internal error, in band or on the wire, is always a finding.
"""

from __future__ import annotations

import datetime
import decimal
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from enum import Enum
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field
from typing_extensions import TypedDict

from django_mcp import Context, MCPServer, questions
from django_mcp.server.events import InMemoryEvents
from django_mcp.server.sessions import InMemorySessions
from django_mcp.types import PromptMessage, TextContent


class Colour(Enum):
    RED = "red"
    GREEN = 2


class Cat(BaseModel):
    kind: Literal["cat"]
    lives: Annotated[int, Field(ge=0, le=9)] = 9


class Dog(BaseModel):
    kind: Literal["dog"]
    tricks: list[str] = []


class Address(TypedDict, total=False):
    street: str
    numbers: tuple[int, str]


class Person(BaseModel):
    name: Annotated[str, Field(min_length=1, max_length=50, pattern=r"^\S")]
    born: datetime.date | None = None
    seen: datetime.datetime | None = None
    key: uuid.UUID | None = None
    price: decimal.Decimal | None = None
    # An integer of 310 digits fits no float, and pydantic makes infinity of it.
    height: Annotated[float, Field(allow_inf_nan=False)] = 1.0
    colour: Colour = Colour.RED
    pets: list[Annotated[Cat | Dog, Field(discriminator="kind")]] = []
    home: Address = {}
    friends: list[Person] = []
    notes: dict[str, int | str | None] = {}


RAW: dict[str, Any] = {
    "type": "object",
    "properties": {
        "tree": {"$ref": "#/$defs/tree"},
        "either": {"oneOf": [{"type": "string", "format": "date"}, {"type": "integer"}]},
        "pattern": {"type": "string", "pattern": "^(a+b?)+$", "maxLength": 30},
        "many": {"type": "array", "uniqueItems": True, "contains": {"const": 1}},
    },
    "$defs": {
        "tree": {
            "type": "object",
            "properties": {"branches": {"type": "array", "items": {"$ref": "#/$defs/tree"}}},
            "additionalProperties": {"type": ["number", "null"]},
        }
    },
    "patternProperties": {"^x-": {"type": "boolean"}},
    "dependentRequired": {"either": ["tree"]},
}


@asynccontextmanager
async def lifespan(server: MCPServer) -> AsyncIterator[dict[str, int]]:
    yield {"state": 1}


async def passing(ctx: Context, call_next: Callable[[Context], Any]) -> Any:
    """Middleware that looks at everything and changes nothing."""
    _ = (ctx.params, ctx.target, ctx.headers, ctx.client_info, ctx.client_capabilities)
    return await call_next(ctx)


def build(name: str, *, wrapped: bool = False) -> MCPServer:
    """The server; `wrapped` in middleware and a lifespan, with rules that let everybody in."""
    options: dict[str, Any] = {"middleware": [passing], "lifespan": lifespan} if wrapped else {}
    stores = {"sessions": InMemorySessions(), "events": InMemoryEvents()}
    server = MCPServer(name, page_size=3, **stores, **options)
    everybody = (lambda principal: True) if wrapped else None
    _add_tools(server, everybody)
    _add_askers(server)
    _add_resources(server, everybody)
    _add_prompts(server)
    return server


def _add_tools(server: MCPServer, rule: Any) -> None:
    @server.tool(permission=rule)
    async def enrol(person: Person, others: list[Person] = [], *, ctx: Context) -> Person:  # noqa: B006
        """A nested model in, a nested model out."""
        _ = (ctx.client_info, ctx.client_capabilities, ctx.headers, ctx.user)
        return others[-1] if others else person

    @server.tool
    def enrol_in_a_thread(person: Person) -> dict[str, Any]:
        return {"name": person.name, "friends": len(person.friends)}

    @server.tool(input_schema=RAW)
    async def raw(arguments: dict[str, Any]) -> Any:
        """Anything a schema lets in, out again."""
        return arguments

    @server.tool
    async def echo(value: Any = None, text: str = "", number: float = 0, whole: int = 0) -> Any:
        """Any JSON in, the same out."""
        return {"value": value, "text": text, "number": number, "whole": whole}

    @server.tool
    async def say(text: str) -> str:
        return text

    @server.tool(timeout=60)
    async def talk(ctx: Context, data: Any = None, message: str = "", steps: int = 1) -> str:
        """Repeats what it is given in notifications."""
        _ = (ctx.client_info, ctx.client_capabilities, ctx.request_id, ctx.protocol_version)
        for step in range(max(0, min(steps, 5))):
            await ctx.report_progress(step, 5, message)
            await ctx.info(data, logger=message)
        return message

    @server.tool
    async def route(
        region: Annotated[str, Field(json_schema_extra={"x-mcp-header": "Region"})],
        shard: Annotated[int | None, Field(json_schema_extra={"x-mcp-header": "Shard"})] = None,
        dry: Annotated[bool, Field(json_schema_extra={"x-mcp-header": "Dry"})] = False,
    ) -> str:
        return f"{region} {shard} {dry}"


def _add_askers(server: MCPServer) -> None:
    @server.tool
    async def ask(ctx: Context, what: str = "name") -> Any:
        """Asks for everything at once, then once more."""
        found = await ctx.ask_all(
            {
                "form": questions.form(what, str),
                "url": questions.url(what, "https://example.com/"),
                "model": questions.sample(what),
                "roots": questions.roots(),
            }
        )
        more = await ctx.ask("And?", int)
        return [found["form"].action, found["model"].model, len(found["roots"]), more.data]

    @server.resource("fuzz://ask")
    async def ask_first(ctx: Context) -> str:
        return str(await ctx.confirm("Show it?"))

    @server.prompt
    async def asking(ctx: Context, about: str = "") -> str:
        return str((await ctx.ask(about, bool)).data)


def _add_resources(server: MCPServer, rule: Any) -> None:
    server.add_resource("fuzz://text", "text")
    server.add_resource("fuzz://bytes", b"\x00\xff")

    @server.resource("fuzz://years/{year}", permission=rule)
    async def year(year: int) -> str:
        return str(year)

    @server.resource("fuzz://files/{+path}")
    async def file(path: str) -> str:
        return path

    @server.resource("fuzz://parts{/parts*}{?limit,flag}")
    async def parts(parts: list[str], limit: float = 1, flag: bool = False) -> Any:
        return {"parts": parts, "limit": limit, "flag": flag}

    @server.resource("fuzz://people/{key}.{suffix}{#fragment}")
    def people(key: uuid.UUID, suffix: Literal["json", "txt"], fragment: str = "") -> Any:
        return [key, suffix, fragment]

    @server.completion("fuzz://years/{year}", "year")
    async def complete_year(typed: str) -> list[str]:
        return [typed]


def _add_prompts(server: MCPServer) -> None:
    @server.prompt
    async def review(
        book: str, stars: int = 1, tone: Colour = Colour.RED, extra: dict[str, int] | None = None
    ) -> list[PromptMessage]:
        content = TextContent(text=f"{book} {stars} {tone} {extra}")
        return [PromptMessage(role="user", content=content)]

    @server.prompt("☕")
    def coffee(sugar: float = 0.0) -> str:
        return f"{sugar}"

    @server.completion("review", "book")
    def complete_book(typed: str, stars: str = "") -> list[str]:
        return [typed, stars]

    @server.completion
    async def complete_rest(ref: Any, argument: Any, context: Any) -> list[str]:
        return [argument.value] * 200
