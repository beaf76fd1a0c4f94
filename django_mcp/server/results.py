"""What a function returned → the result on the wire: of a tool, of a resource, of a prompt.

The author returns what is natural: text, data, a picture, a list of them. Which data is checked
against which schema is ``outputs``; what a picture or a file is, ``content``; which fields of a
result a revision has, ``protocol.codec``.

All three raise InvalidResult for what cannot be served: that is the author's bug, so the caller
gets the general answer and the log the text.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any, Final, TypeGuard

from pydantic import TypeAdapter, ValidationError
from pydantic_core import to_json

from ..protocol.types import (
    AudioContent,
    BlobResourceContents,
    CallToolResult,
    ContentBlock,
    EmbeddedResource,
    GetPromptResult,
    ImageContent,
    PromptMessage,
    ReadResourceResult,
    TextContent,
    TextResourceContents,
)
from .content import blob
from .errors import InvalidResult
from .outputs import BLOCKS, MEDIA, Output, kind_of, plain_json

BINARY = (bytes, bytearray, memoryview)
CONTENTS = (TextResourceContents, BlobResourceContents)
ROLES = ("user", "assistant")

_PLAIN: Final = frozenset({bool, int, float, str, dict, type(None)})


@cache
def _adapter() -> TypeAdapter[ContentBlock]:
    return TypeAdapter(ContentBlock)


# ------------------------------------------------------------------------------------------ tools


def tool_result(value: Any, output: Output, any_json: bool) -> CallToolResult:
    """Return the result of a call of the tool that ``output`` belongs to.

    Text becomes text; blocks, pictures and files become themselves; a list with any of these
    becomes one block an item; ``None`` becomes no content. Everything else is data: its JSON as
    text, and the same as structured content where that is declared or is an object. ``any_json`` is
    the revision's fact ``any_json_structured_content``. A ``CallToolResult`` is passed on as it is.
    """
    if isinstance(value, CallToolResult):
        return value
    if not output.declared and (blocks := _blocks(value, output)) is not None:
        return CallToolResult(content=blocks)
    dumped = declared_data(value, output) if output.declared else output.dump(value)
    text = TextContent(text=dumped if isinstance(dumped, str) else _json(dumped))
    return CallToolResult(content=[text], structured_content=output.wrap(dumped, any_json))


def declared_data(value: Any, output: Output) -> Any:
    """Return the plain JSON of what a tool with a declared result returned."""
    # Asking pydantic's classes costs ten times what asking for a built-in type does.
    if type(value) not in _PLAIN and isinstance(value, BLOCKS + MEDIA):
        raise InvalidResult(
            f"{output.name}() returned {kind_of(value)}, but declares to return data: annotate it "
            f"with -> {type(value).__name__}, or register it with structured_output=False."
        )
    return output.dump(value)


def _blocks(value: Any, output: Output) -> list[Any] | None:
    """The content that ``value`` is, or None where it is data."""
    if value is None:
        return []
    if isinstance(value, str):
        return [_text(value)]
    if isinstance(value, BLOCKS + MEDIA):
        return [_block(value)]
    if isinstance(value, BINARY):
        raise InvalidResult(
            f"{output.name}() returned {type(value).__name__}, which does not say what is in it: "
            "return Image(data=…), Audio(data=…) or File(data=…, name=…)."
        )
    if isinstance(value, list | tuple):
        if any(isinstance(item, BLOCKS + MEDIA) for item in value):
            return [block for item in value for block in _item(item, output)]
        if not value and output.shows:
            return []
    return None


def _item(value: Any, output: Output) -> list[Any]:
    blocks = _blocks(value, output)
    return [_text(_json(output.dump(value)))] if blocks is None else blocks


# -------------------------------------------------------------------------------------- resources


def resource_result(value: Any, uri: str, mime_type: str | None) -> ReadResourceResult:
    """Return the contents of ``uri``: text, bytes, data as JSON, files, or contents as they are.

    ``mime_type`` is the registered one and goes before what can be guessed. A list with contents or
    files in it gives several contents, whose own URIs stay; any other list is data.
    """
    if isinstance(value, ReadResourceResult):
        return value
    if value is None:
        raise InvalidResult(
            f"The resource {uri} returned None: return its text, its bytes or its data, or raise "
            "NotFound where there is none."
        )
    if isinstance(value, list | tuple) and any(_is_contents(item) for item in value):
        found = [_contents(item, uri, mime_type, alone=False) for item in value]
        return ReadResourceResult(contents=found)
    return ReadResourceResult(contents=[_contents(value, uri, mime_type, alone=True)])


def _is_contents(value: Any) -> bool:
    return isinstance(value, (*CONTENTS, *MEDIA, EmbeddedResource))


def _contents(
    value: Any, uri: str, mime_type: str | None, *, alone: bool
) -> TextResourceContents | BlobResourceContents:
    if isinstance(value, MEDIA):
        value = value.to_block()
    if isinstance(value, CONTENTS):
        return value
    if isinstance(value, EmbeddedResource):
        inner: TextResourceContents | BlobResourceContents = value.resource
        if not alone:
            return inner
        return inner.model_copy(update={"uri": uri, "mime_type": mime_type or inner.mime_type})
    if isinstance(value, ImageContent | AudioContent):
        return BlobResourceContents(
            uri=uri, mime_type=mime_type or value.mime_type, blob=value.data
        )
    if isinstance(value, TextContent):
        value = value.text
    if isinstance(value, str):
        return TextResourceContents(uri=uri, mime_type=mime_type or "text/plain", text=value)
    if isinstance(value, BINARY):
        return blob(uri, bytes(value), mime_type or "application/octet-stream")
    text = _json(plain_json(value, f"The resource {uri}"))
    return TextResourceContents(uri=uri, mime_type=mime_type or "application/json", text=text)


# ---------------------------------------------------------------------------------------- prompts


def prompt_result(value: Any, description: str | None) -> GetPromptResult:
    """Return the messages of a prompt.

    Text, a block or a picture is one message of the user. ``PromptMessage``, ``(role, content)``
    and ``{"role": …, "content": …}`` say whose it is; a list has several, one after another. Data
    becomes a message with its JSON.
    """
    if isinstance(value, GetPromptResult):
        return value
    items = value if isinstance(value, list | tuple) and not _is_pair(value) else [value]
    messages = [message for item in items for message in _messages(item)]
    return GetPromptResult(description=description, messages=messages)


def _messages(value: Any) -> list[PromptMessage]:
    if isinstance(value, PromptMessage):
        return [value]
    if _is_pair(value):
        role, content = value
    elif isinstance(value, Mapping) and set(value) == {"role", "content"}:
        role, content = value["role"], value["content"]
        if role not in ROLES:
            raise InvalidResult(
                f"A prompt returned a message of the role {role!r}: it is 'user' or 'assistant'."
            )
    else:
        role, content = "user", value
    parts = content if isinstance(content, list) else [content]
    return [PromptMessage(role=role, content=_prompt_block(part)) for part in parts]


def _is_pair(value: Any) -> TypeGuard[tuple[Any, Any]]:
    """``("user", …)``: a tuple, since a list of two texts is two messages."""
    if not isinstance(value, tuple) or len(value) != 2:
        return False
    return isinstance(value[0], str) and value[0] in ROLES


def _prompt_block(value: Any) -> ContentBlock:
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, BLOCKS + MEDIA):
        return _block(value)
    if value is None or isinstance(value, BINARY):
        raise InvalidResult(
            f"A prompt returned {kind_of(value)}: return text, messages, an Image, an Audio or a "
            "File."
        )
    if isinstance(value, Mapping) and isinstance(value.get("type"), str):
        try:
            block: ContentBlock = _adapter().validate_python(dict(value))
            return block
        except ValidationError:
            pass  # data that has a "type" of its own
    return _text(_json(plain_json(value, "A prompt")))


# ----------------------------------------------------------------------------------------- shared


def _text(text: str) -> TextContent:
    return TextContent(text=text)


def _block(value: Any) -> ContentBlock:
    block: ContentBlock = value.to_block() if isinstance(value, MEDIA) else value
    return block


def _json(dumped: Any) -> str:
    """Compact, and readable: letters stay letters."""
    return to_json(dumped).decode()
