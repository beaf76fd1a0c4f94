"""One table of a TOML text, set or removed; every other byte stays where it is.

What a text means is for `tomllib` to say; here is only where its statements begin and end. A table
is changed where it has headers of its own, `[a.b]` and `[a.b.c]`. Written as part of another one,
by dotted keys or in braces, it is left to whoever wrote it.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from .errors import Uneditable, Unreadable

_AT: Final = re.compile(r"\s*\(at (?:line (\d+), column (\d+)|end of document)\)\s*$")
_EMPTY_LINE: Final = re.compile(r"\n(\r?\n)\Z")
_BARE: Final = re.compile(r"[A-Za-z0-9_-]+")
#: The most parts a dotted key may have: the time that reading one takes grows with their square.
MAX_PARTS: Final = 100
_TOO_LONG: Final = re.compile(
    r'(?:^|[{,])[ \t]*\[{0,2}[ \t]*(?:(?:[A-Za-z0-9_-]+|"(?:\\.|[^"\\\n])*"|'
    + r"'[^'\n]*')[ \t]*\.[ \t]*){%d}" % MAX_PARTS,  # noqa: UP031 - it has braces
    re.MULTILINE,
)
#: Strings, the longer quotes first; what else there is to skip is one character.
_STRING: Final = re.compile(
    r'"""(?:\\.|(?!""").)*"{3,5}|'
    + r"'''(?:(?!''').)*'{3,5}|"
    + r'"(?:\\.|[^"\\\n])*"|'
    + r"'[^'\n]*'",
    re.DOTALL,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Statement:
    """A header or a pair: the keys it names, and its lines."""

    keys: tuple[str, ...]
    begin: int
    end: int
    is_header: bool


def parse(text: str) -> dict[str, Any]:
    """What a text means; raises Unreadable, and Uneditable for what is TOML and too much."""
    if _TOO_LONG.search(text):
        raise Uneditable(f"it has a key of more than {MAX_PARTS} parts.")
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        found = _AT.search(str(error))
        position = len(text)
        if found is not None and found[1] is not None:
            lines = text.split("\n")
            position = sum(len(line) + 1 for line in lines[: int(found[1]) - 1]) + int(found[2]) - 1
        raise Unreadable(_AT.sub("", str(error)), text, position) from None
    except RecursionError:
        raise Uneditable("it is nested too deep to be read.") from None
    except ValueError as error:  # What TOML allows and Python does not, such as 5000 digits.
        raise Uneditable(f"it has a value that cannot be read: {error}") from None


def entry(text: str, path: Sequence[str]) -> Any:
    """What stands at `path`; None for nothing. Raises Unreadable, and Uneditable where the path
    leads through something that is no table."""
    found: Any = parse(text)
    for key in path:
        if not isinstance(found, dict):
            raise Uneditable(f"{'.'.join(path[:-1])} has to be a table.")
        found = found.get(key)
        if found is None:
            return None
    return found


def with_entry(text: str, path: Sequence[str], value: Mapping[str, Any]) -> str:
    """`text` with the table `value` at `path`; raises as `entry` does, and Uneditable where the
    table is written as part of another one."""
    newline = "\r\n" if "\r\n" in text else "\n"
    written = newline.join(_lines(path, value)) + newline
    spans = _spans(text, path)
    if not spans:
        gap = "" if not text or text.endswith("\n") else newline
        return text + gap + (newline if text.strip() else "") + written
    for begin, end in reversed(spans[1:]):
        text = text[: _set_off(text, begin)] + text[end:]
    begin, end = spans[0]
    return text[:begin] + written + text[end:]


def without_entry(text: str, path: Sequence[str]) -> str:
    """`text` without the table at `path`; raises as `with_entry` does."""
    for begin, end in reversed(_spans(text, path)):
        # The empty line that sets it off goes with it.
        begin = begin if text[end:].strip() else _set_off(text, begin)
        text = text[:begin] + text[end:]
    return text


def _set_off(text: str, begin: int) -> int:
    """Where the empty line begins that stands before `begin`; `begin` where there is none."""
    before = _EMPTY_LINE.search(text, max(0, begin - 3), begin)
    return begin if before is None else before.start(1)


def _spans(text: str, path: Sequence[str]) -> list[tuple[int, int]]:
    """The lines of the table at `path` and of those within it, without what follows them."""
    wanted, found = tuple(path), entry(text, path)
    if found is None:
        return []
    spans: list[tuple[int, int]] = []
    inside = False
    for statement in _statements(text):
        if statement.is_header:
            inside = statement.keys[: len(wanted)] == wanted
            if inside:
                spans.append((statement.begin, statement.end))
        elif inside:
            spans[-1] = (spans[-1][0], statement.end)
    rest = text
    for begin, end in reversed(spans):
        rest = rest[:begin] + rest[end:]
    if not spans or entry(rest, path) is not None:
        raise Uneditable(
            f"{'.'.join(path)} is written as part of another table: give it a header of its own, "
            f"[{_header(path)}], or change it by hand."
        )
    return spans


# ----------------------------------------------------------------------------------------- reading


def _statements(text: str) -> Iterator[_Statement]:
    """The headers and pairs of a text that is TOML."""
    position = 0
    while position < len(text):
        begin = position
        first = text[_past_spaces(text, position) : _past_spaces(text, position) + 1]
        position = _end_of(text, position)
        if first in {"", "\n", "\r", "#"}:
            continue
        statement = text[begin:position]
        is_header = first == "["
        keys = _keys(statement.strip(" \t").lstrip("[") if is_header else statement)
        yield _Statement(keys=keys, begin=begin, end=position, is_header=is_header)


def _past_spaces(text: str, position: int) -> int:
    while position < len(text) and text[position] in " \t":
        position += 1
    return position


def _end_of(text: str, position: int) -> int:
    """The end of the last line of what begins at `position`."""
    depth = 0
    while position < len(text):
        string = _STRING.match(text, position)
        if string is not None:
            position = string.end()
            continue
        char = text[position]
        if char == "#":
            end = text.find("\n", position)
            position = len(text) if end < 0 else end
            continue
        depth += (char in "[{") - (char in "]}")
        position += 1
        if char == "\n" and depth == 0:
            break
    return position


def _keys(text: str) -> tuple[str, ...]:
    """The dotted keys that `text` begins with."""
    keys, position = [], 0
    while True:
        position = _past_spaces(text, position)
        quoted = _STRING.match(text, position)
        found = quoted or _BARE.match(text, position)
        if found is None:
            break
        keys.append(next(iter(tomllib.loads(f"{found[0]} = 0"))) if quoted else found[0])
        position = _past_spaces(text, found.end())
        if not text.startswith(".", position):
            break
        position += 1
    return tuple(keys)


# ----------------------------------------------------------------------------------------- writing


def _lines(path: Sequence[str], value: Mapping[str, Any]) -> Iterator[str]:
    yield f"[{_header(path)}]"
    for key, each in value.items():
        if not isinstance(each, Mapping):
            yield f"{_key(key)} = {_value(each)}"
    for key, each in value.items():
        if isinstance(each, Mapping):
            yield ""
            yield from _lines([*path, key], each)


def _header(path: Sequence[str]) -> str:
    return ".".join(map(_key, path))


def _key(key: str) -> str:
    return key if _BARE.fullmatch(key) else _string(key)


def _value(value: Any) -> str:
    if isinstance(value, list):
        return f"[{', '.join(map(_value, value))}]"
    return _string(str(value))


def _string(text: str) -> str:
    """A basic string. What JSON escapes TOML does too, and one character more."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
