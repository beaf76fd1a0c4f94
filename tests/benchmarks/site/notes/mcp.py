"""Our side of the comparison: the same tools as in `tests.benchmarks.sdk`, over Django's ORM."""

from __future__ import annotations

import time

from django_mcp import tool
from tests.benchmarks.common import NoteOut, fillers

from .models import Note


@tool
async def add(a: int, b: int) -> int:
    """Add two integers."""
    return a + b


@tool
def get_note(id: int) -> NoteOut:
    """Read one note by id."""
    note = Note.objects.get(pk=id)
    return NoteOut(id=note.pk, title=note.title, body=note.body)


@tool
def slow(ms: int, token: int) -> int:
    """Block for ms milliseconds, as a slow query would, then return token."""
    time.sleep(ms / 1000)
    return token


for filler in fillers():
    tool(filler)
