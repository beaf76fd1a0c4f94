"""One entry of a JSON text with comments, set or removed; every other byte stays where it is.

Reads what editors do (https://jsonc.org): comments of both kinds, and commas after the last member.
Positions are those of the text.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from .errors import Uneditable, Unreadable

_SPACE: Final = re.compile(r"[ \t\r\n]*")
_STRING: Final = re.compile(r'"(?:[^"\\\x00-\x1f]|\\.)*"')
_WORD: Final = re.compile(r"-?[0-9][0-9.eE+-]*|[A-Za-z_]+")
#: Levels of a configuration that are read; nobody writes as many.
DEEPEST: Final = 200


@dataclass(slots=True, kw_only=True)
class Member:
    """A member of an object: its key, its value, and the comma behind it, if there is one."""

    key: str
    begin: int
    value: Node
    comma: int | None = None


@dataclass(slots=True, kw_only=True)
class Node:
    """A value, from `begin` to `end`; an object's `members` are its own."""

    begin: int
    end: int
    data: Any
    members: list[Member] = field(default_factory=list)

    @property
    def is_object(self) -> bool:
        return isinstance(self.data, dict)

    def member(self, key: str) -> Member | None:
        """The member of that key: the last one, as every parser has it."""
        return next((each for each in reversed(self.members) if each.key == key), None)


def parse(text: str) -> Node:
    """The value of a text; raises Unreadable."""
    return _Reader(text).document()


def entry(text: str, path: Sequence[str]) -> Any:
    """What stands at `path`; None for nothing. Raises Unreadable, and Uneditable where the path
    leads through something that is no object."""
    if is_blank(text):
        return None
    node = parse(text)
    for key in path:
        member = _object(node, path).member(key)
        if member is None:
            return None
        node = member.value
    return node.data


def with_entry(text: str, path: Sequence[str], value: Mapping[str, Any]) -> str:
    """`text` with `value` at `path`; raises as `entry` does."""
    style = _Style(text)
    if is_blank(text):
        # Comments may be all there is, and stay.
        gap = "" if not text or text.endswith("\n") else style.newline
        return text + gap + style.written(_nested(path, value), "") + style.newline
    node = parse(text)
    for number, key in enumerate(path):
        parent = _object(node, path)
        member = parent.member(key)
        if member is None:
            rest = _nested(path[number + 1 :], value)
            return _with_member(text, parent, key, rest, style)
        node = member.value
    written = style.written(value, _indent_of(text, node.begin))
    return text[: node.begin] + written + text[node.end :]


def without_entry(text: str, path: Sequence[str]) -> str:
    """`text` without what stands at `path`; raises as `entry` does."""
    if is_blank(text):
        return text
    node = parse(text)
    for key in path[:-1]:
        member = _object(node, path).member(key)
        if member is None:
            return text
        node = member.value
    member = _object(node, path).member(path[-1])
    if member is None:
        return text
    # A key may be there several times, and the others count once the last one is gone.
    return without_entry(_without_member(text, node, member), path)


def _nested(path: Sequence[str], value: Any) -> Any:
    for key in reversed(path):
        value = {key: value}
    return value


def _object(node: Node, path: Sequence[str]) -> Node:
    if not node.is_object:
        raise Uneditable(f"{'.'.join(path[:-1]) or 'the file'} has to be an object in braces.")
    return node


def is_blank(text: str) -> bool:
    """True where there is nothing but space and comments."""
    try:
        return _Reader(text).skip(0) == len(text)
    except Unreadable:
        return False


# ---------------------------------------------------------------------------------------- changing


class _Style:
    """How the text is written: its line ends, and one level of its indentation."""

    def __init__(self, text: str) -> None:
        self.newline = "\r\n" if "\r\n" in text else "\n"
        found = re.search(r"\n([ \t]+)\S", text)
        self.indent = found[1] if found else "  "

    def written(self, value: Any, base: str) -> str:
        """The JSON of `value`, its lines after the first one indented by `base` and more."""
        text = json.dumps(value, indent=self.indent, ensure_ascii=False)
        return text.replace("\n", self.newline + base)


def _with_member(text: str, parent: Node, key: str, value: Any, style: _Style) -> str:
    name = json.dumps(key, ensure_ascii=False)
    close = parent.end - 1
    if not parent.members:
        base = _indent_of(text, parent.begin)
        inner = base + style.indent
        member = f"{name}: {style.written(value, inner)}"
        kept = len(text[:close].rstrip(" \t\r\n"))
        lines = f"{style.newline}{inner}{member}{style.newline}{base}"
        return text[:kept] + lines + text[close:]
    last = parent.members[-1]
    if not _spans_lines(text, parent):
        member = f" {name}: {json.dumps(value, ensure_ascii=False)}"
        if last.comma is not None:
            return text[: last.comma + 1] + member + "," + text[last.comma + 1 :]
        return text[: last.value.end] + "," + member + text[last.value.end :]
    inner = _indent_of(text, last.begin)
    member = f"{style.newline}{inner}{name}: {style.written(value, inner)}"
    if last.comma is not None:
        after = _end_of_remark(text, last.comma + 1)
        return text[:after] + member + "," + text[after:]
    end, after = last.value.end, _end_of_remark(text, last.value.end)
    return text[:end] + "," + text[end:after] + member + text[after:]


def _without_member(text: str, parent: Node, member: Member) -> str:
    begin, end = member.begin, member.value.end
    if member.comma is not None:
        end = member.comma + 1
    line = text.rfind("\n", 0, begin) + 1
    stop = re.compile(r"[ \t]*(?:\r?\n|$)").match(text, end)
    if stop is not None and stop[0] and not text[line:begin].strip(" \t"):
        begin, end = line, stop.end()  # It had the lines to itself.
    elif stop is None:
        spaces = _SPACE.match(text, end)
        end = spaces.end() if spaces and "\n" not in spaces[0] else end
    before, after = text[:begin], text[end:]
    position = parent.members.index(member)
    comma = parent.members[position - 1].comma if position else None
    if member.comma is None and comma is not None:
        rest = before[comma + 1 :]
        before = before[:comma] + ("" if rest.isspace() and "\n" not in rest else rest)
    return before + after


def _indent_of(text: str, position: int) -> str:
    """The space at the beginning of the line."""
    begin = text.rfind("\n", 0, position) + 1
    found = re.compile(r"[ \t]*").match(text, begin)
    return found[0] if found else ""


def _spans_lines(text: str, node: Node) -> bool:
    return "\n" in text[node.begin : node.end]


def _end_of_remark(text: str, position: int) -> int:
    """Where a comment ends that begins on the line of `position`, or `position`."""
    found = re.compile(r"[ \t]*(?://[^\r\n]*|/\*(?:(?!\*/)[^\n])*\*/)").match(text, position)
    return found.end() if found else position


# ----------------------------------------------------------------------------------------- reading


class _Reader:
    """Reads a text from left to right."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._depth = 0

    def document(self) -> Node:
        node = self._value(self.skip(0))
        rest = self.skip(node.end)
        if rest != len(self._text):
            raise self._error("nothing may follow the value", rest)
        return node

    def skip(self, position: int) -> int:
        """The position after space and comments."""
        text = self._text
        while True:
            found = _SPACE.match(text, position)
            position = found.end() if found else position
            if text.startswith("//", position):
                end = text.find("\n", position)
                position = len(text) if end < 0 else end + 1
            elif text.startswith("/*", position):
                end = text.find("*/", position + 2)
                if end < 0:
                    raise self._error("a comment is not closed", position)
                position = end + 2
            else:
                return position

    def _value(self, position: int) -> Node:
        first = self._text[position : position + 1]
        if first == "{":
            return self._nested(self._object, position)
        if first == "[":
            return self._nested(self._array, position)
        if first == '"':
            return self._string(position)
        found = _WORD.match(self._text, position)
        if found is None:
            what = repr(first) if first else "the end of the file"
            raise self._error(f"a value is expected, not {what}", position)
        try:
            data = json.loads(found[0])
        except ValueError:
            raise self._error(f"{found[0]!r} is no value", position) from None
        return Node(begin=position, end=found.end(), data=data)

    def _nested(self, read: Any, position: int) -> Node:
        self._depth += 1
        if self._depth > DEEPEST:
            raise self._error("too deep", position)
        node: Node = read(position)
        self._depth -= 1
        return node

    def _string(self, position: int) -> Node:
        found = _STRING.match(self._text, position)
        try:
            data = json.loads(found[0]) if found else None
        except ValueError:
            data = None
        if found is None or data is None:
            raise self._error("a string is not written as JSON has it", position)
        return Node(begin=position, end=found.end(), data=data)

    def _object(self, begin: int) -> Node:
        node = Node(begin=begin, end=begin, data={})
        position = self.skip(begin + 1)
        while not self._text.startswith("}", position):
            if not self._text.startswith('"', position):
                raise self._error("a key in double quotes or a closing brace is expected", position)
            key = self._string(position)
            colon = self.skip(key.end)
            if not self._text.startswith(":", colon):
                raise self._error("a colon is expected", colon)
            value = self._value(self.skip(colon + 1))
            member = Member(key=key.data, begin=position, value=value)
            node.members.append(member)
            node.data[key.data] = value.data
            position, member.comma = self._after(value, "}")
        node.end = position + 1
        return node

    def _array(self, begin: int) -> Node:
        node = Node(begin=begin, end=begin, data=[])
        position = self.skip(begin + 1)
        while not self._text.startswith("]", position):
            value = self._value(position)
            node.data.append(value.data)
            position, _ = self._after(value, "]")
        node.end = position + 1
        return node

    def _after(self, value: Node, close: str) -> tuple[int, int | None]:
        """Where what follows `value` begins, and where the comma before that is."""
        position = self.skip(value.end)
        if self._text.startswith(",", position):
            return self.skip(position + 1), position
        if not self._text.startswith(close, position):
            raise self._error(f"a comma or {close!r} is expected", position)
        return position, None

    def _error(self, message: str, position: int) -> Unreadable:
        return Unreadable(message, self._text, position)
