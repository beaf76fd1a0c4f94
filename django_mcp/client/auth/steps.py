"""Conversations without a network: a generator yields requests and is sent the replies.

`discovery`, `registration` and `grants` are written in it, so a test can play the other side, and
`sending` is the one place that opens a connection.
"""

from __future__ import annotations

import re
from collections.abc import Generator, Iterable
from dataclasses import dataclass, field
from typing import Any, TypeAlias, TypeVar

import httpx
from pydantic import TypeAdapter, ValidationError

T = TypeVar("T")

_OBJECT: TypeAdapter[dict[str, Any]] = TypeAdapter(dict[str, Any])
_CODE = re.compile(r"[\x21\x23-\x5b\x5d-\x7e ]{1,64}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What came back: `url` is the one that answered, after redirects."""

    url: str
    status: int
    headers: httpx.Headers = field(default_factory=httpx.Headers, repr=False)
    body: bytes = field(default=b"", repr=False)

    @property
    def document(self) -> dict[str, Any] | None:
        """The JSON object in the body; None where it is anything else."""
        try:
            return _OBJECT.validate_json(self.body)
        except ValidationError:
            return None


Steps: TypeAlias = Generator[httpx.Request, Reply, T]


@dataclass(frozen=True, slots=True, kw_only=True)
class Complaint:
    """What an authorization server says went wrong (RFC 6749, section 5.2), fit to be shown."""

    error: str
    text: str


def complaint(reply: Reply, secrets: Iterable[str | None]) -> Complaint:
    """The error in `reply`. Its description is left out where it repeats one of `secrets`."""
    document = reply.document or {}
    error = document.get("error")
    code = error if isinstance(error, str) and _CODE.fullmatch(error) else ""
    return described(code, document.get("error_description"), secrets, f"status {reply.status}")


def described(
    error: str, description: object, secrets: Iterable[str | None], otherwise: str
) -> Complaint:
    """The code of an error and its description in one line, of which nothing can be misread."""
    known = [secret for secret in secrets if secret]
    error = error if _CODE.fullmatch(error) and not _repeats(error, known) else ""
    text = error or otherwise
    if isinstance(description, str) and not _repeats(description, known):
        shown = "".join(each if each.isprintable() else " " for each in description[:200]).strip()
        text += f" ({shown})" if shown else ""
    return Complaint(error=error, text=text)


def _repeats(text: str, secrets: Iterable[str]) -> bool:
    return any(secret in text for secret in secrets)
