"""What a credential that was granted scopes may do, and what is said where that is too little.

Scopes limit a credential that one party gave to another, such as an OAuth access token. They take
away from what its user may do and never add to it, so access rules (`access`) are asked first and
besides. Which scopes there are, and how more of them are got, is the business of whoever issues the
credentials.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final, Protocol

from ..protocol.errors import InvalidRequest, ProtocolError
from .errors import RegistrationError

#: scope-token of RFC 6749, section 3.3.
SCOPE: Final = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]{1,128}")


class Guarded(Protocol):
    """What is asked of a component: the scopes it names, and whether it does no more than read."""

    @property
    def scopes(self) -> tuple[str, ...] | None: ...

    @property
    def only_reads(self) -> bool: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ScopePolicy:
    """How granted scopes are read.

    `reading` and `writing` are what a component needs that names no scopes. `implied` names the
    scopes that one brings with it: {"mcp:write": ["mcp:read"]}; those bring theirs
    (2026-07-28, basic/authorization#step-up-authorization-flow).
    """

    reading: tuple[str, ...] = ()
    writing: tuple[str, ...] = ()
    implied: Mapping[str, Collection[str]] = field(default_factory=dict)

    def needed_for(self, component: Guarded) -> tuple[str, ...]:
        """The scopes that using `component` needs, all of them at once."""
        if component.scopes is not None:
            return component.scopes
        return self.reading if component.only_reads else self.writing

    def held(self, granted: Iterable[str]) -> frozenset[str]:
        """`granted`, and whatever that implies."""
        found: set[str] = set()
        rest = list(granted)
        while rest:
            scope = rest.pop()
            if scope not in found:
                found.add(scope)
                rest += self.implied.get(scope, ())
        return frozenset(found)

    def without_implied(self, scopes: Iterable[str]) -> list[str]:
        """`scopes` in order, each once, without those that another one of them implies."""
        once = list(dict.fromkeys(scopes))
        return [
            scope
            for scope in once
            if not any(scope in self.held([other]) for other in once if other != scope)
        ]


class InsufficientScope(ProtocolError):
    """The credential lacks a scope; `required` are all that this request needs.

    Over HTTP it is answered with 403 and a challenge (2026-07-28,
    basic/authorization#runtime-insufficient-scope-errors).
    """

    code = InvalidRequest.code
    status = 403

    def __init__(self, required: Iterable[str]) -> None:
        self.required = tuple(required)
        super().__init__(
            f"Insufficient scope: this needs {' '.join(self.required)}. Ask the user to authorize "
            "it.",
            data={"requiredScopes": list(self.required)},
        )


def scopes_of(given: Iterable[str] | None, what: str) -> tuple[str, ...] | None:
    """The scopes that are given for a component; raises RegistrationError for what is none.

    None where nothing is said, and () for what any credential may use.
    """
    if given is None:
        return None
    if isinstance(given, str):
        raise RegistrationError(f"{what}: scopes is a list, for example scopes=[{given!r}].")
    scopes = tuple(dict.fromkeys(given))
    for scope in scopes:
        if not SCOPE.fullmatch(scope) or "*" in scope:
            raise RegistrationError(
                f"{what}: {scope!r} is no scope. Write a word without spaces, quotes, backslashes "
                'and asterisks, for example "library:lend".'
            )
    return scopes
