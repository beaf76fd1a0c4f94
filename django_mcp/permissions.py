"""Access rules made of Django's users, permissions and groups, for `permission=` on a component.

Owns what a rule asks of a user, and how rules are combined. Who the user of a request is, is the
business of `authentication`; when rules are asked, and that an inactive user passes none, of
`server.access`.

A rule is a value that is called with a `Principal`. Its text names it in the log, and `codenames`
finds the permissions in it, for a system check.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from asgiref.sync import sync_to_async
from django.db.models import Model

from .server.access import AccessRule, Principal
from .server.errors import RegistrationError
from .server.signatures import is_async_callable

#: What the combinations take: a rule, or the codename of a permission.
Rule = AccessRule | str


@dataclass(frozen=True, slots=True)
class _HasPermission:
    codenames: tuple[str, ...]

    def __call__(self, principal: Principal) -> bool:
        user = principal.user
        return user is not None and bool(user.has_perms(self.codenames))

    def __str__(self) -> str:
        return _called("has_permission", self.codenames)


@dataclass(frozen=True, slots=True)
class _InGroup:
    name: str

    def __call__(self, principal: Principal) -> bool:
        user = principal.user
        return user is not None and bool(user.groups.filter(name=self.name).exists())

    def __str__(self) -> str:
        return _called("in_group", [self.name])


@dataclass(frozen=True, slots=True)
class _Flag:
    """A user's own word for itself: `is_staff`, `is_superuser`, `is_authenticated`."""

    name: str

    def __call__(self, principal: Principal) -> bool:
        return principal.user is not None and getattr(principal.user, self.name) is True

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True, slots=True)
class _Combined:
    """Holds where the first verdict that is `decisive` says so; asked in order, and no further."""

    rules: tuple[AccessRule, ...]
    decisive: bool

    def __call__(self, principal: Principal) -> bool:
        for rule in self.rules:
            if _bool(rule, rule(principal)) is self.decisive:
                return self.decisive
        return not self.decisive

    def __str__(self) -> str:
        return _called("any_of" if self.decisive else "all_of", self.rules)


@dataclass(frozen=True, slots=True)
class _CombinedAsync(_Combined):
    """The same where one of the rules is async; sync ones have a thread, as everywhere."""

    async def __call__(self, principal: Principal) -> bool:  # type: ignore[override]
        for rule in self.rules:
            ask: Callable[[Principal], Awaitable[Any]] = (
                rule if is_async_callable(rule) else sync_to_async(rule)  # type: ignore[assignment]
            )
            if _bool(rule, await ask(principal)) is self.decisive:
                return self.decisive
        return not self.decisive


is_authenticated: AccessRule = _Flag("is_authenticated")
"""Holds for every caller with a user who is not `AnonymousUser`."""

is_staff: AccessRule = _Flag("is_staff")
"""Holds for users who may log into the admin."""

is_superuser: AccessRule = _Flag("is_superuser")
"""Holds for users who have every permission without being given it."""


def has_permission(*codenames: str) -> AccessRule:
    """A rule that holds for users with all of the permissions, each "app_label.codename".

    Callers without a user never pass. Raises RegistrationError for a name without an app label.
    """
    if not codenames:
        raise RegistrationError('has_permission() needs a name, such as "library.change_book".')
    for codename in codenames:
        if codename.count(".") != 1 or not all(codename.split(".")):
            raise RegistrationError(
                f'{codename!r} names no permission: write "app_label.codename", for example '
                '"library.change_book".'
            )
    return _HasPermission(codenames)


def in_group(name: str) -> AccessRule:
    """A rule that holds for the users in the group of this name.

    A superuser has every permission and is in no group by that: write
    `any_of(is_superuser, in_group(…))` where that is meant.
    """
    if not name:
        raise RegistrationError(f"in_group() takes the name of a group, not {name!r}.")
    return _InGroup(name)


def any_of(*rules: Rule) -> AccessRule:
    """A rule that holds where one of `rules` does; a text among them is a permission's codename."""
    return _combined(rules, True)


def all_of(*rules: Rule) -> AccessRule:
    """A rule that holds where all of `rules` do; a text among them is a permission's codename."""
    return _combined(rules, False)


def codenames(rule: AccessRule | None) -> Iterator[str]:
    """The permissions that `rule` asks for by name."""
    if isinstance(rule, _HasPermission):
        yield from rule.codenames
    elif isinstance(rule, _Combined):
        for part in rule.rules:
            yield from codenames(part)


def with_fresh_user(principal: Principal) -> Principal:
    """`principal` with its user as the database has them now, without what was remembered of them.

    A user keeps the permissions it was once asked for; who listens for hours would keep them too.
    A user who is gone is none. For a thread: it makes a query.
    """
    user = principal.user
    if not isinstance(user, Model):
        return principal
    fresh = type(user)._base_manager.filter(pk=user.pk).first()
    return replace(principal, user=fresh)


def _combined(rules: tuple[Rule, ...], decisive: bool) -> AccessRule:
    what = "any_of" if decisive else "all_of"
    if not rules:
        raise RegistrationError(f"{what}() needs rules to combine.")
    made = tuple(has_permission(rule) if isinstance(rule, str) else rule for rule in rules)
    for rule in made:
        if not callable(rule):
            raise RegistrationError(
                f"{what}() takes rules and codenames of permissions, not {rule!r}."
            )
    kind = _CombinedAsync if any(is_async_callable(rule) for rule in made) else _Combined
    return kind(made, decisive)


def _bool(rule: AccessRule, verdict: object) -> bool:
    if not isinstance(verdict, bool):
        raise TypeError(f"The access rule {rule} returned {verdict!r}, not a bool.")
    return verdict


def _called(name: str, arguments: Any) -> str:
    return f"{name}({', '.join(repr(a) if isinstance(a, str) else str(a) for a in arguments)})"


def has_every_right_of(one: Any, other: Any) -> bool:
    """True where the user `one` has all permissions and is in all groups of the user `other`, and
    so gets no right by acting as them.

    What else a project's rules may look at, such as a field of the user, is not known here.
    """
    if one.pk == other.pk or one.is_superuser:
        return True
    if other.is_superuser or not _groups(other) <= _groups(one):
        return False
    return set(other.get_all_permissions()) <= set(one.get_all_permissions())


def _groups(user: Any) -> set[Any]:
    groups = getattr(user, "groups", None)
    return set() if groups is None else set(groups.values_list("pk", flat=True))
