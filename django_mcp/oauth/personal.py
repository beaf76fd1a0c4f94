"""Personal access tokens: made by a user for a program of theirs, shown once, good for one server.

The form they have lets scanners of leaked secrets know one by its looks: `mcp_pat_`, 43 characters,
and a checksum. They speak for their user and no client. What one may be is `forms`; who makes and
ends them are `connections`, for users themselves, and the command `mcp_token`.
"""

from __future__ import annotations

import secrets
import zlib
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any, Final

from django.db.models import QuerySet
from django.utils import timezone

from ..server.access import Principal
from . import conf
from .models import PersonalToken
from .prepared import Prepared, asks_the_database, unshared
from .tokens import NOTED_EVERY, digest_of

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


@asks_the_database
def verify(token: str, resource: str) -> Principal | None:
    """The principal of a personal token for exactly `resource`; None where it is not good.

    What does not look like one costs no query.
    """
    if not token.startswith(PREFIX) or not conf.get().personal_tokens:
        return None
    body, _, checksum = token.rpartition(".")
    if checksum != _checksum(body):
        return None
    now = timezone.now()
    found = _known.ask(digest_of(token))
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


def _matching(digest: str) -> QuerySet[PersonalToken]:
    return PersonalToken.objects.select_related("user").filter(digest=digest).order_by()[:1]


_known: Final = Prepared(PersonalToken, _matching, lambda token: token)


def _checksum(body: str) -> str:
    return f"{zlib.crc32(body.encode()):08x}"


def _note_use(token: PersonalToken, now: datetime) -> None:
    if token.used is None or token.used < now - NOTED_EVERY:
        PersonalToken.objects.filter(pk=token.pk).update(used=now)
