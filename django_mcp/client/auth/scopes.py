"""Which scopes a client asks for (2026-07-28, authorization#scope-selection-strategy)."""

from __future__ import annotations

from collections.abc import Iterable

OFFLINE_ACCESS = "offline_access"


def select(challenged: Iterable[str], supported: Iterable[str] | None) -> tuple[str, ...]:
    """What the server asked for; else what it says basic use takes; else nothing."""
    return tuple(dict.fromkeys(challenged)) or tuple(dict.fromkeys(supported or ()))


def union(*scopes: Iterable[str]) -> tuple[str, ...]:
    """All of them, each once, in the order in which they came first."""
    return tuple(dict.fromkeys(scope for each in scopes for scope in each))


def with_offline_access(scopes: Iterable[str], offered: Iterable[str]) -> tuple[str, ...]:
    """`scopes`, and `offline_access` where the authorization server offers it.

    2026-07-28, authorization#refresh-tokens. Where no scope is asked for, none is: the word alone
    would take the place of what the authorization server grants by itself.
    """
    scopes = tuple(scopes)
    return union(scopes, (OFFLINE_ACCESS,)) if scopes and OFFLINE_ACCESS in offered else scopes


def parameter(scopes: Iterable[str]) -> str | None:
    """The `scope` parameter; None where it is to be left out."""
    return " ".join(scopes) or None
