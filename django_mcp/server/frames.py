"""Results of tools written around their data: the codec writes the frame once, a call fills it in.

Most tools answer with data, and around it every result of a server is the same. So the codec writes
one result with marks in place of the data, for each revision and origin, and from then on only the
data is written. Whatever has another shape goes through `results.tool_result` and the codec.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from ..protocol import codec, jsonrpc
from ..protocol.revisions import Revision
from ..protocol.types import CallToolResult, TextContent

#: Frames kept at a time; origins come from requests, so there must be an end to them.
MAX_FRAMES: Final = 64

#: What is written without a character that would have to be escaped in a string.
_BARE: Final = frozenset({int, float, bool, type(None)})

_TEXT: Final = "text-" + secrets.token_hex(16)
_DATA: Final = "data-" + secrets.token_hex(16)


@dataclass(frozen=True, slots=True)
class Frame:
    """A written result with a gap for the text and, where the revision has it, one for the data."""

    head: bytes
    middle: bytes
    tail: bytes | None

    def fill(self, dumped: Any, structured: Any) -> bytes:
        """The result that shows `dumped`, and `structured` unless that is None; both plain JSON."""
        data = jsonrpc.dumps_plain(structured)
        written = data if structured is dumped else jsonrpc.dumps_plain(dumped)
        kind = type(dumped)
        if kind is str:
            text = written
        elif kind in _BARE:
            text = b'"%b"' % written
        else:
            text = jsonrpc.dumps_plain(written.decode())
        if self.tail is None:
            return b"".join((self.head, text, self.middle))
        return b"".join((self.head, text, self.middle, data, self.tail))


class Frames:
    """The frames of one server. `stamp` adds to a result what all results of a server say."""

    def __init__(
        self, stamp: Callable[[dict[str, Any], Revision, str | None], dict[str, Any]]
    ) -> None:
        self._stamp = stamp
        self._frames: dict[tuple[Revision, str | None, bool], Frame] = {}

    def find(self, revision: Revision, origin: str | None, *, structured: bool) -> Frame:
        """The frame of results with or without structured content."""
        key = (revision, origin, structured)
        found = self._frames.get(key)
        if found is None:
            if len(self._frames) >= MAX_FRAMES:
                self._frames.clear()
            found = self._frames[key] = self._write(revision, origin, structured)
        return found

    def _write(self, revision: Revision, origin: str | None, structured: bool) -> Frame:
        data = {"mark": _DATA} if structured else None
        result = CallToolResult(content=[TextContent(text=_TEXT)], structured_content=data)
        wire = self._stamp(codec.encode(result, revision), revision, origin)
        head, rest = jsonrpc.dumps(wire).split(jsonrpc.dumps(_TEXT))
        middle, found, tail = rest.partition(jsonrpc.dumps({"mark": _DATA}))
        return Frame(head, middle, tail if found else None)
