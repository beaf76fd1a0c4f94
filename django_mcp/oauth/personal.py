"""Personal access tokens: made by a user for a program of theirs, shown once, good for one server.

The form they have lets scanners of leaked secrets know one by its looks: `mcp_pat_`, 43 characters,
and a checksum. They speak for their user and no client. What one may be is `forms`; who makes and
ends them are `connections`, for users themselves, and the command `mcp_token`.
"""

from __future__ import annotations

import secrets
import zlib
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from django.db.models import QuerySet
from django.utils import timezone

from ..server.access import Principal
from . import conf
from .models import PersonalToken
from .prepared import Prepared, unshared
from .tokens import NOTED_EVERY, digest_of
from .verifying import Asked, together

PREFIX: Final = "mcp_pat_"
#: How much of a token is shown in lists.
SHOWN: Final = len(PREFIX) + 6
#: How long one is good where nothing else is asked for, as far as the settings allow.
USUAL_DAYS: Final = 30


def issue(
    user: Any, *, name: str, resource: str, scopes: Iterable[str], days: int
) -> tuple[PersonalToken, str]:
    """A new token, and its secret, which cannot be shown again.

    Good for `days`, but no longer than the settings allow.
    """
    body = PREFIX + secrets.token_urlsafe(32)
    secret = f"{body}.{_checksum(body)}"
    lasting = timedelta(days=min(days, conf.get().personal_token_days))
    token = PersonalToken.objects.create(
        user=user,
        name=name,
        shown=secret[:SHOWN],
        digest=digest_of(secret),
        resource=resource,
        scopes=" ".join(scopes),
        expires=timezone.now() + lasting,
    )
    return token, secret


def end(tokens: QuerySet[PersonalToken]) -> int:
    """End those of `tokens` that were not ended before; how many they were."""
    return tokens.filter(revoked=None).update(revoked=timezone.now())


def verify_all(asked: Sequence[Asked]) -> list[Principal | None]:
    """`verify`, for several at the price of one. What does not look like a token costs nothing."""
    digests = [digest_of(token) if _looks_right(token) else "" for token, _ in asked]
    known = {token.digest: token for token in _known.ask({each for each in digests if each})}
    now = timezone.now()
    return [
        _principal_of(known.get(digest), resource, now)
        for digest, (_, resource) in zip(digests, asked, strict=True)
    ]


@together(verify_all)
def verify(token: str, resource: str) -> Principal | None:
    """The principal of a personal token for exactly `resource`; None where it is not good."""
    return verify_all([(token, resource)])[0]


def _looks_right(token: str) -> bool:
    if not token.startswith(PREFIX) or not conf.get().personal_tokens:
        return False
    body, _, checksum = token.rpartition(".")
    return checksum == _checksum(body)


def _principal_of(found: PersonalToken | None, resource: str, now: datetime) -> Principal | None:
    if found is None or found.revoked is not None or found.expires <= now:
        return None
    if found.resource != resource or not found.user.is_active:
        return None
    _note_use(found, now)
    return Principal(
        id=f"personal-token:{found.pk}",
        user=unshared(found.user),
        scopes=frozenset(found.scopes.split()),
        limits=conf.policy(),
    )


def _matching(digests: Sequence[str]) -> QuerySet[PersonalToken]:
    return PersonalToken.objects.select_related("user").filter(digest__in=digests).order_by()


_known: Final = Prepared(PersonalToken, _matching, lambda token: token)


def _checksum(body: str) -> str:
    return f"{zlib.crc32(body.encode()):08x}"


def _note_use(token: PersonalToken, now: datetime) -> None:
    if token.used is None or token.used < now - NOTED_EVERY:
        PersonalToken.objects.filter(pk=token.pk).update(used=now)
