"""What both sides of the comparison serve alike: the type of a note, and tools that fill a list."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator

from pydantic import BaseModel

#: add, get_note and slow, which every server has.
OWN_TOOLS = 3


class NoteOut(BaseModel):
    """A note as a tool returns it."""

    id: int
    title: str
    body: str


def fillers() -> Iterator[Callable[..., str]]:
    """As many tools as are missing from the number in BENCHMARK_TOOLS."""
    for number in range(int(os.environ.get("BENCHMARK_TOOLS", "0")) - OWN_TOOLS):
        yield _filler(number)


def _filler(number: int) -> Callable[..., str]:
    def search(query: str, limit: int = 10, threshold: float = 0.5, exact: bool = False) -> str:
        return query

    search.__name__ = search.__qualname__ = f"tool_{number:03d}"
    search.__doc__ = (
        f"Filler tool number {number}: searches the archive and returns at most `limit` matches."
    )
    return search
