"""What a server answered, on a terminal: texts as they are, data as JSON, and a word for the rest.

What comes from a server is shown without the characters by which a terminal takes commands.
"""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Iterable, Iterator
from typing import Any

from ...client import ToolResult
from ...protocol import types as t


def result_lines(result: ToolResult[Any]) -> Iterator[str]:
    """A tool's answer: its content, or its data where the content says nothing else."""
    data = result.structured_content
    if isinstance(data, dict | list) and _says_only(result, data):
        yield pretty(data)
    else:
        yield from content_lines(result.content)


def _says_only(result: ToolResult[Any], data: Any) -> bool:
    """Whether the content is the data once more, for those who cannot read it."""
    if not all(isinstance(block, t.TextContent) for block in result.content):
        return False
    try:
        return not result.content or json.loads(result.text) == data
    except (ValueError, RecursionError):
        return False


def content_lines(blocks: Iterable[t.ContentBlock]) -> Iterator[str]:
    """A line or more for each block."""
    for block in blocks:
        match block:
            case t.TextContent(text=text):
                yield printable(text)
            case t.ImageContent() | t.AudioContent():
                yield f"[{block.type} {printable(block.mime_type)}, {_size(block.data)} bytes]"
            case t.ResourceLink(uri=uri, name=name):
                yield f"[link {printable(name)}: {printable(uri)}]"
            case t.EmbeddedResource(resource=resource):
                yield from contents_lines([resource])


def contents_lines(contents: Iterable[t.AnyResourceContents]) -> Iterator[str]:
    """What stands at a URI."""
    for each in contents:
        if isinstance(each, t.TextResourceContents):
            yield printable(each.text)
        else:
            kind = printable(each.mime_type or "application/octet-stream")
            yield f"[{kind}, {_size(each.blob)} bytes: {printable(each.uri)}]"


def prompt_lines(prompt: t.GetPromptResult) -> Iterator[str]:
    """The messages of a prompt, each after who says it."""
    for message in prompt.messages:
        lines = list(content_lines([message.content]))
        yield f"{message.role}: {lines[0]}"
        yield from lines[1:]


def pretty(value: Any) -> str:
    """Any JSON value, for people."""
    return printable(json.dumps(value, indent=2, ensure_ascii=False))


def printable(text: str) -> str:
    """The text without control characters, but with its lines and tabs."""
    if text.isprintable():
        return text
    return "".join(
        char
        for char in text
        if char in "\n\t" or unicodedata.category(char) not in {"Cc", "Cs", "Cf"}
    )


def _size(data: str) -> str:
    """How many bytes a Base64 text holds."""
    return f"{len(data) * 3 // 4 - data[-2:].count('='):,}"
