"""The header WWW-Authenticate: what a client that was turned away has to ask for, and where.

Source: RFC 6750, section 3; RFC 9728, section 5.1; 2026-07-28,
basic/authorization#scope-challenge-handling.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from ..transports.http.types import HttpRequest
from .addresses import resource_document_of

#: What a quoted value must not contain.
_UNQUOTABLE = re.compile(r'[^\x20-\x7e]|["\\]')


def challenge(
    request: HttpRequest,
    scopes: Iterable[str],
    error: str | None = None,
    description: str | None = None,
) -> dict[str, str]:
    """The header for whoever made `request`, with the scopes to ask for."""
    values = {
        "error": error,
        "error_description": description,
        "scope": " ".join(scopes) or None,
        "resource_metadata": resource_document_of(request),
    }
    written = ", ".join(
        f'{name}="{_UNQUOTABLE.sub("", value)}"' for name, value in values.items() if value
    )
    return {"WWW-Authenticate": f"Bearer {written}"}
