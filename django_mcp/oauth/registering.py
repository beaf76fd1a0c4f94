"""What a client may say of itself, in a registration or in a document, and what is made of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from . import redirects

MOST_REDIRECTS: Final = 10


class Unacceptable(Exception):
    """A client cannot be registered like that; `error` is the code of RFC 7591, section 3.2.2."""

    def __init__(self, message: str, error: str = "invalid_client_metadata") -> None:
        super().__init__(message)
        self.error = error


def acceptable_redirects(given: object) -> list[str]:
    """Those redirect URIs of a client that it may have; raises Unacceptable where none is left.

    Some clients name one for each way they could be called back, among them some that are not
    allowed. A server may register less than it was asked for (RFC 7591, section 3.2.1).
    """
    if not isinstance(given, list) or not given:
        raise Unacceptable("redirect_uris must be a list of URIs", "invalid_redirect_uri")
    if len(given) > MOST_REDIRECTS:
        raise Unacceptable(
            f"redirect_uris has {len(given)} members; {MOST_REDIRECTS} are allowed",
            "invalid_redirect_uri",
        )
    if any(not isinstance(uri, str) or any(c.isspace() for c in uri) for uri in given):
        raise Unacceptable("a redirect URI is no text, or has a space", "invalid_redirect_uri")
    kept = [uri for uri in dict.fromkeys(given) if redirects.is_acceptable(uri)]
    if not kept:
        raise Unacceptable(
            "a redirect URI must be https, or http on localhost, 127.0.0.1 or [::1]",
            "invalid_redirect_uri",
        )
    return kept


def name_in(metadata: Mapping[str, Any]) -> str:
    """The name a client gives itself; "" where it gives none."""
    name = metadata.get("client_name")
    return name.replace("\x00", "").strip() if isinstance(name, str) else ""
