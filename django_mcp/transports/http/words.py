"""The language a page is written in, as whoever writes one is handed it.

Texts are marked here and translated above, where there are translations. Without any, a page is in
English.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True, kw_only=True)
class Language:
    """A language: its code, whether it is written from right to left, and how texts come to be in
    it."""

    code: str
    is_rtl: bool
    translate: Callable[[str], str]


ENGLISH: Final = Language(code="en", is_rtl=False, translate=str)


def gettext_noop(text: str) -> str:
    """Mark a text for translation. `makemessages` finds it by this name."""
    return text
