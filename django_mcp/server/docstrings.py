"""A docstring → what the function is for, and what each parameter means.

Three styles are understood: Google (``Args:``), NumPy (``Parameters`` with a rule below it) and
reST (``:param name:``). The section about parameters is taken out of the description, because each
of its lines is shown beside the parameter it describes; everything else stays as it was written.
A text in no known style is a description as a whole.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

_GOOGLE_HEADING = re.compile(
    r"(args|arguments|parameters|params|keyword args|keyword arguments|other parameters):\s*$",
    re.IGNORECASE,
)
_GOOGLE_ENTRY = re.compile(r"\*{0,2}(?P<name>\w+)\s*(\((?P<type>[^()]*(\([^()]*\)[^()]*)*)\))?\s*:")
_NUMPY_HEADING = re.compile(r"(other )?parameters\s*$", re.IGNORECASE)
_NUMPY_ENTRY = re.compile(r"(?P<names>\*{0,2}\w+(\s*,\s*\*{0,2}\w+)*)\s*(:.*)?$")
_RULE = re.compile(r"-{3,}\s*$")
_REST_FIELD = re.compile(
    r":(?P<kind>param|parameter|arg|argument|key|keyword|type)\s+"
    r"(?P<what>[^:]*?)(?P<name>\w+)\s*:\s*(?P<text>.*)$"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Docstring:
    """What a docstring says: the description, and a text for each parameter it names."""

    description: str | None = None
    parameters: dict[str, str] = field(default_factory=dict)


def parse(text: str | None) -> Docstring:
    """Return the description and the parameters' descriptions; never fails."""
    if not text or not text.strip():
        return Docstring()
    lines = inspect.cleandoc(text).splitlines()
    if _GOOGLE_HEADING.match(lines[0]):  # nothing above it: cleandoc took its block for the margin
        lines[1:] = [f"    {line}" for line in lines[1:]]
    parameters: dict[str, list[str]] = {}
    kept = list(_without_parameters(lines, parameters))
    description = re.sub(r"\n{3,}", "\n\n", "\n".join(kept)).strip()
    return Docstring(
        description=description or None,
        parameters={name: joined for name, text in parameters.items() if (joined := _join(text))},
    )


def _without_parameters(lines: list[str], found: dict[str, list[str]]) -> Iterator[str]:
    """Yield the lines that are not about a parameter; those that are go to ``found``."""
    position = 0
    while position < len(lines):
        line = lines[position]
        following = lines[position + 1] if position + 1 < len(lines) else ""
        if _GOOGLE_HEADING.match(line) and _indent(following):
            end = _end_of_block(lines, position + 1)
            _read_google(lines[position + 1 : end], found)
        elif _NUMPY_HEADING.match(line) and _RULE.match(following):
            end = _end_of_numpy(lines, position + 2)
            _read_numpy(lines[position + 2 : end], found)
        elif match := _REST_FIELD.match(line):
            end = _end_of_field(lines, position + 1)
            if match["kind"] != "type":
                found[match["name"]] = [match["text"], *lines[position + 1 : end]]
        else:
            end = position + 1
            yield line
        position = end


def _read_google(block: list[str], found: dict[str, list[str]]) -> None:
    """``name (type): text``, with continuation lines indented further."""
    edge = min((_indent(line) for line in block if line.strip()), default=0)
    current: list[str] | None = None
    for line in block:
        match = _GOOGLE_ENTRY.match(line.strip())
        if _indent(line) == edge and match:
            current = found.setdefault(match["name"], [])
            current.append(line.strip()[match.end() :])
        elif current is not None:
            current.append(line)


def _read_numpy(block: list[str], found: dict[str, list[str]]) -> None:
    """``name : type`` at the margin, the text indented below; several names share one text."""
    current: list[list[str]] = []
    for line in block:
        match = _NUMPY_ENTRY.match(line)
        if match and not _indent(line):
            names = [name.strip(" *") for name in match["names"].split(",")]
            current = [found.setdefault(name, []) for name in names]
        else:
            for text in current:
                text.append(line)


def _end_of_block(lines: list[str], start: int) -> int:
    """The first line at the margin after ``start``."""
    for position in range(start, len(lines)):
        if lines[position].strip() and not _indent(lines[position]):
            return position
    return len(lines)


def _end_of_numpy(lines: list[str], start: int) -> int:
    """The next heading with a rule below it, or a paragraph that is no entry."""
    for position in range(start, len(lines)):
        line = lines[position]
        if not line.strip() or _indent(line):
            continue
        following = lines[position + 1] if position + 1 < len(lines) else ""
        if _RULE.match(following) or not _NUMPY_ENTRY.match(line):
            return position
    return len(lines)


def _end_of_field(lines: list[str], start: int) -> int:
    """The first line that is blank or at the margin: what a reST field goes on to."""
    for position in range(start, len(lines)):
        if not _indent(lines[position]):
            return position
    return len(lines)


def _indent(line: str) -> int:
    """How far the text is from the margin; 0 for a blank line."""
    return len(line) - len(line.lstrip()) if line.strip() else 0


def _join(lines: list[str]) -> str:
    return " ".join(part for line in lines if (part := line.strip()))
