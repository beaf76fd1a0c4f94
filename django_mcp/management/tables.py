"""Text in columns, as wide as the terminal."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from typing import Final

#: Columns between two cells.
GAP: Final = 2
#: The least that is left of a last column, however narrow the terminal is.
LEAST: Final = 16


def table(rows: Sequence[Sequence[str]], width: int | None) -> list[str]:
    """Lines with the cells of each row one below the other; the first row is a heading.

    The last column is cut where a line would be wider than `width`; None cuts nothing. Cells are
    one line each, and what a terminal would take for a command is left out.
    """
    cleaned = [[_one_line(cell) for cell in row] for row in rows]
    widths = [max(map(_width, column)) for column in zip(*cleaned, strict=True)]
    before = sum(widths[:-1]) + GAP * (len(widths) - 1)
    room = None if width is None else max(width - before, LEAST)
    return [_line(row, widths, room) for row in cleaned]


def _line(row: Sequence[str], widths: Sequence[int], room: int | None) -> str:
    *first, last = row
    cells = [cell + " " * (width - _width(cell) + GAP) for cell, width in zip(first, widths)]  # noqa: B905 - the last one has no width to fill
    return ("".join(cells) + _cut(last, room)).rstrip()


def _one_line(text: str) -> str:
    kept = (" " if char.isspace() else char for char in text if not _is_control(char))
    return " ".join("".join(kept).split())


def _is_control(char: str) -> bool:
    return unicodedata.category(char) in {"Cc", "Cf"} and not char.isspace()


def _width(text: str) -> int:
    """Columns that a terminal gives to `text` (Unicode Standard Annex 11)."""
    return sum(map(_columns, text))


def _columns(char: str) -> int:
    if unicodedata.combining(char):
        return 0
    return 2 if unicodedata.east_asian_width(char) in {"W", "F"} else 1


def _cut(text: str, room: int | None) -> str:
    if room is None or _width(text) <= room:
        return text
    kept, used = [], 0
    for char in text:
        used += _columns(char)
        if used > room - 1:
            break
        kept.append(char)
    return "".join(kept).rstrip() + "…"
