"""What a server says in `WWW-Authenticate`: challenges, taken apart (RFC 9110, section 11.6.1).

This module owns the syntax. What a client does because of a challenge belongs to `bearer`, and
which scopes it asks for to `scopes`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

#: Characters of all headers together that are looked at; nobody has more to say than this.
LONGEST = 8192

_TOKEN = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"  # noqa: S105 - the word of RFC 9110
_BETWEEN = re.compile(r"[ \t,]*")
_SCHEME = re.compile(rf"({_TOKEN})(?=[ \t,]|$)")
_PARAMETER = re.compile(rf'({_TOKEN})[ \t]*=[ \t]*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]+))')
_TO_NEXT = re.compile(r"[^,\s]*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Challenge:
    """One challenge: the scheme in lower case, its parameters with names in lower case."""

    scheme: str
    parameters: Mapping[str, str] = field(default_factory=dict)

    @property
    def error(self) -> str:
        return self.parameters.get("error", "")

    @property
    def scopes(self) -> tuple[str, ...]:
        """The scopes the server asks for, in its order; empty where it says nothing of them."""
        return tuple(dict.fromkeys(self.parameters.get("scope", "").split()))

    @property
    def resource_metadata(self) -> str:
        """Where the server says its metadata is; empty where it does not."""
        return self.parameters.get("resource_metadata", "")


#: What is asked for by a server that says nothing.
NO_CHALLENGE = Challenge(scheme="bearer")


def bearer_challenge(headers: Iterable[str]) -> Challenge:
    """The first `Bearer` challenge of the `WWW-Authenticate` headers, or NO_CHALLENGE."""
    return next((each for each in parse(headers) if each.scheme == "bearer"), NO_CHALLENGE)


def parse(headers: Iterable[str]) -> tuple[Challenge, ...]:
    """The challenges in `headers`, in their order. What cannot be read is passed over.

    Of a parameter that comes twice the first counts.
    """
    text = ", ".join(headers)[:LONGEST]
    found: list[tuple[str, dict[str, str]]] = []
    at = _end(_BETWEEN, text, 0)
    while at < len(text):
        if found and (parameter := _PARAMETER.match(text, at)):
            name, quoted, plain = parameter.groups()
            value = plain if quoted is None else re.sub(r"\\(.)", r"\1", quoted)
            found[-1][1].setdefault(name.lower(), value)
            at = parameter.end()
        elif scheme := _SCHEME.match(text, at):
            found.append((scheme[1].lower(), {}))
            at = scheme.end()
        else:
            at = max(_end(_TO_NEXT, text, at), at + 1)
        at = _end(_BETWEEN, text, at)
    return tuple(Challenge(scheme=scheme, parameters=values) for scheme, values in found)


def _end(pattern: re.Pattern[str], text: str, at: int) -> int:
    match = pattern.match(text, at)
    return match.end() if match else at
