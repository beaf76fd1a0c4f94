"""What the project offers: tools, resources, prompts and completions, one of each kind.

What asks the client something is `asking`; what says something before it answers, or waits, or
changes what there is, `happening`.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field
from typing_extensions import TypedDict

from django_mcp import (
    Audio,
    CacheHint,
    Context,
    File,
    Icon,
    Image,
    MCPServer,
    NotFound,
    ToolError,
    add_resource,
    completion,
    prompt,
    resource,
    tool,
)
from django_mcp.types import (
    Annotations,
    BlobResourceContents,
    CallToolResult,
    EmbeddedResource,
    PromptMessage,
    ResourceLink,
    TextContent,
    TextResourceContents,
)

from . import asking, happening  # noqa: F401 - they add their tools
from .failures import Deliberate

PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010802000000907753de"
    "0000000c49444154789c63f8cfc0000003010100c9fe92ef0000000049454e44ae426082"
)
WAV = b"RIFF\x24\x00\x00\x00WAVEfmt \x10\x00\x00\x00\x01\x00\x01\x00" + bytes(20)

# ----------------------------------------------------------------------------- tools: their results


class Genre(Enum):
    NOVEL = "novel"
    ESSAY = "essay"


class Author(BaseModel):
    name: str
    born: int | None = None


class Book(BaseModel):
    title: Annotated[str, Field(description="As on the cover")]
    authors: list[Author]
    genre: Genre = Genre.NOVEL
    tags: dict[str, str] = {}


class Point(TypedDict):
    x: float
    y: float


@dataclass
class Size:
    width: int
    height: int


@tool(read_only=True, idempotent=True, open_world=False)
async def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


@tool(title="Write a book", icons=[Icon(src="https://example.com/book.svg")], meta={"x/y": [1]})
def publish(book: Book, copies: Annotated[int, Field(ge=1)] = 1) -> list[Book]:
    """Get copies of a book, in a thread."""
    return [book] * copies


@tool
async def move(point: Point, by: Size) -> Point:
    """Get a point elsewhere."""
    return {"x": point["x"] + by.width, "y": point["y"] + by.height}


@tool
async def measure(text: str) -> dict[str, int]:
    """Count letters."""
    return {letter: text.count(letter) for letter in dict.fromkeys(text)}


@tool
async def echo(text: str) -> str:
    """Get the text back."""
    return text


@tool
async def anything(values: dict[str, Any]) -> dict[str, Any]:
    """Get any JSON back."""
    return values


@tool("dotted.name-with_1")
async def dotted() -> None:
    """Return nothing."""


@tool(structured_output=False)
async def unstructured() -> dict[str, int]:
    """Get data as text only."""
    return {"one": 1}


RAW: dict[str, Any] = {
    "type": "object",
    "properties": {"id": {"type": "integer"}, "query": {"$ref": "#/$defs/query"}},
    "required": ["query"],
    "$defs": {"query": {"anyOf": [{"type": "string", "minLength": 1}, {"type": "array"}]}},
    "additionalProperties": False,
}


@tool(input_schema=RAW)
async def search(arguments: dict[str, Any]) -> dict[str, Any]:
    """Take arguments as a JSON Schema describes them."""
    return arguments


@tool
async def route(
    region: Annotated[str, Field(json_schema_extra={"x-mcp-header": "Region"})],
    shard: Annotated[int | None, Field(json_schema_extra={"x-mcp-header": "Shard"})] = None,
    dry: Annotated[bool, Field(json_schema_extra={"x-mcp-header": "Dry-Run"})] = False,
    note: str = "",
    *,
    ctx: Context,
) -> dict[str, Any]:
    """Take arguments that the request repeats in headers."""
    sent = {name: value for name, value in ctx.headers.items() if name.startswith("mcp-param-")}
    return {"region": region, "shard": shard, "dry": dry, "headers": sent}


# ----------------------------------------------------------------------------- tools: their content


@tool
async def text_block() -> TextContent:
    """Answer with annotated text."""
    return TextContent(
        text="for both", annotations=Annotations(audience=["user", "assistant"], priority=0.5)
    )


@tool
async def image_block() -> Image:
    """Answer with a picture."""
    return Image(data=PNG)


@tool
async def audio_block() -> Audio:
    """Answer with a sound."""
    return Audio(data=WAV)


@tool
async def link_block() -> ResourceLink:
    """Answer with a link to a resource."""
    return ResourceLink(uri="memo://text", name="memo", title="A memo", mime_type="text/plain")


@tool
async def embedded_text() -> File:
    """Answer with a text file."""
    return File(data="grüße", name="grüße.txt")


@tool
async def embedded_blob() -> EmbeddedResource:
    """Answer with bytes."""
    blob = BlobResourceContents(uri="memo://bytes", blob="AAEC", mime_type="application/x-any")
    return EmbeddedResource(resource=blob)


@tool
async def mixed_blocks() -> list[str | Image | File]:
    """Answer with text, a picture and a file."""
    return ["first", Image(data=PNG), File(data=b"\x00", name="data.bin")]


@tool
async def whole_result() -> CallToolResult:
    """Answer with a result of its own making."""
    return CallToolResult(content=[TextContent(text="by hand")], meta={"example.com/by": "hand"})


@tool
async def large(size: int) -> str:
    """Answer with so many characters, of more than one byte each."""
    return "☃" * size


# --------------------------------------------------------------------------------- tools: that fail


@tool
async def refuse(reason: str) -> str:
    """Fail, and say why."""
    raise ToolError(reason)


@tool
def fail() -> str:
    """Fail as nobody foresaw."""
    raise Deliberate("a secret that stays here")


@tool(timeout=0.01)
async def dawdle() -> str:
    """Take longer than it may."""
    await happening.for_ever()
    return ""


# ---------------------------------------------------------------------------- tools: who is calling


@tool
async def where(ctx: Context) -> dict[str, Any]:
    """What a function knows of its call."""
    info = ctx.client_info
    return {
        "url_kwargs": dict(ctx.url_kwargs),
        "version": ctx.protocol_version,
        "client": info and info.name,
        "server": ctx.server.name,
        "host": ctx.headers["host"],
        "meta": ctx.params.get("_meta", {}).get("example.com/trace"),
    }


# -------------------------------------------------------------------------------------- resources

add_resource("memo://text", "Remember the milk.", name="memo", title="A memo")
add_resource("memo://bytes", bytes(range(256)), name="bytes")
add_resource("memo://grüße/☕?a=1&b=2#here", "warm", name="☕")


@resource("memo://catalogue", mime_type="application/json")
def catalogue() -> dict[str, list[str]]:
    """Data, as JSON."""
    return {"books": ["Emma", "Kokoro, こころ"]}


@resource("memo://several")
async def several() -> list[TextResourceContents | BlobResourceContents]:
    """More than one content."""
    return [
        TextResourceContents(uri="memo://several/1", text="one", mime_type="text/plain"),
        BlobResourceContents(uri="memo://several/2", blob="Ag==", mime_type="image/png"),
    ]


@resource("memo://notes/{year}/{+path}", mime_type="text/plain")
async def note(year: int, path: str) -> str:
    """A note of a year."""
    if path == "nothing":
        raise NotFound(path)
    return f"{year}: {path}"


@resource("memo://find{?text,limit}", title="Find")
def find(text: str = "", limit: int = 10) -> list[str]:
    """What is found."""
    return [text] * limit


@resource("memo://broken")
def broken() -> str:
    """Fail as nobody foresaw."""
    raise Deliberate("another secret")


# ---------------------------------------------------------------------------------------- prompts


@prompt
def greet() -> str:
    """Greet, without arguments."""
    return "Say hello."


@prompt("☕ break", title="A break")
async def coffee(with_whom: str, minutes: int = 10) -> list[PromptMessage]:
    """A prompt whose name no header can carry as it is."""
    asked = TextContent(text=f"A break of {minutes} minutes with {with_whom}?")
    return [
        PromptMessage(role="user", content=asked),
        PromptMessage(role="assistant", content=TextContent(text="Gladly.")),
    ]


@prompt
async def illustrated(uri: str) -> list[str | Image | Audio | File | ResourceLink]:
    """Messages with every kind of content."""
    link = ResourceLink(uri=uri, name="it")
    return ["look", Image(data=PNG), Audio(data=WAV), File(data="x", name="x.txt"), link]


@prompt
async def shelve(genre: Literal["novel", "essay"], author: str = "") -> str:
    """A prompt whose arguments can be completed."""
    return f"{genre} by {author}"


# ------------------------------------------------------------------------------------- completions


@completion("shelve", "author")
def complete_author(typed: str, genre: str = "") -> list[str]:
    names = {"novel": ["Austen", "Atwood", "Åsa"], "essay": ["Montaigne"]}
    return [name for name in names.get(genre, []) if name.startswith(typed)]


@completion("memo://notes/{year}/{+path}", "year")
async def complete_year(typed: str) -> list[int]:
    return [year for year in range(1800, 2000) if str(year).startswith(typed)]


# ----------------------------------------------------------------------------------- other servers

#: Has more than a page of everything.
other = MCPServer("other", version="2.0", page_size=3, cache={"tools/list": CacheHint(ttl_ms=60)})
#: Has what comes and goes.
changing = MCPServer("changing")
happening.add_changes(changing)


def _numbered(number: int) -> None:
    async def function() -> int:
        return number

    async def template(path: str) -> str:
        return path

    other.add_tool(function, f"tool-{number}")
    other.add_prompt(function, f"prompt-{number}")
    other.add_resource(f"memo://{number}", str(number))
    other.resource(f"memo://{number}/{{path}}", name=f"template-{number}")(template)


for _number in range(10):
    _numbered(_number)
