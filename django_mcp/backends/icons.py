"""Icons from the project's static files: `Icon(src="static:library/book.svg")`."""

from __future__ import annotations

import logging
from typing import Final

from django.templatetags.static import static

from ..server.registry import same_origin

logger = logging.getLogger("django_mcp")

PREFIX: Final = "static:"


def resolve_icon(src: str, origin: str | None) -> str | None:
    """The URL of a static file for a client of `origin`; other sources as they are.

    A relative STATIC_URL becomes a URL of the same origin, as hosts require; without an origin (a
    local pipe) such an icon is left out.
    """
    if src.startswith(PREFIX):
        try:
            src = static(src.removeprefix(PREFIX))
        except ValueError:
            # A manifest without the file: a list without its icon is better than no list.
            logger.exception("The icon %s is not among the static files", src)
            return None
    return same_origin(src, origin)
