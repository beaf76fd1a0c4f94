"""Tokens and registrations in the database: a `TokenStorage` for processes that share it.

Two rules keep a token that is good for one use from being lost. A process that is about to renew
takes its turn first (`turn`): a note in the row, with an end, and no lock, for a request to another
machine is made meanwhile. And what is written over tokens counts only where they are still those
that were read (`version`): so whoever was late, or whose turn had ended, overwrites nothing, and a
connection that a user has ended does not come back.

What cannot be opened counts as not there. The statements are sync and short; each is by itself.
"""

from __future__ import annotations

import asyncio
import json
import time
import uuid
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any, Final

from asgiref.sync import sync_to_async
from django.conf import settings
from django.db.models import Q
from django.utils import timezone
from pydantic import ValidationError

from ..client.auth import ClientInformation, RequestFailed, Tokens
from .models import Connection, Registration, RemoteServer, holder_of
from .sealing import seal, unseal

#: Seconds that a turn lasts at most: longer than a request of an authorization does.
TURN: Final = 30.0
#: Seconds between two looks whether it is one's turn; the first, and the longest.
FIRST_LOOK: Final = 0.05
LONGEST_LOOK: Final = 0.5

#: Characters of a URL that fit into a row.
LONGEST_URL: Final = 500


class Storage:
    """What one user, or with None the project, has at one server.

    Which of the registrations is answered: that of the connection, or the newest, of which further
    users begin. `client` is the digest of the one that is wanted and no other (`digest_of`), and
    with `begins` it is always the newest.
    """

    def __init__(
        self, server: RemoteServer, user_id: Any, *, client: str = "", begins: bool = False
    ) -> None:
        self._server_id = server.pk
        self._user_id = user_id
        self._holder = holder_of(user_id)
        self._client = client
        self._begins = begins
        #: The row that was read last: its key and its version.
        self._read: tuple[Any, uuid.UUID] | None = None

    def __repr__(self) -> str:
        return f"<Storage of {self._holder} at server {self._server_id}>"

    async def get_tokens(self, server_url: str) -> Tokens | None:
        return await sync_to_async(self._get_tokens)(server_url)

    async def set_tokens(self, server_url: str, tokens: Tokens | None) -> None:
        await sync_to_async(self._set_tokens)(server_url, tokens)

    async def get_client(self, issuer: str) -> ClientInformation | None:
        return await sync_to_async(self._get_client)(issuer)

    async def set_client(self, issuer: str, client: ClientInformation | None) -> None:
        await sync_to_async(self._set_client)(issuer, client)

    @asynccontextmanager
    async def turn(self, server_url: str) -> AsyncIterator[None]:
        """Be the one process that renews; the turn of one that is gone ends by itself."""
        taken = await self._taken()
        try:
            yield
        finally:
            if taken is not None:
                await sync_to_async(self._give_back)(taken)

    async def want(self, scopes: Iterable[str]) -> None:
        """Note what the server asked for, for when the user is asked."""
        await sync_to_async(self._want)(scopes)

    # Turns

    async def _taken(self) -> datetime | None:
        """Until when it is one's turn; None where there is nothing to renew."""
        pause, give_up = FIRST_LOOK, time.monotonic() + 2 * TURN
        while True:
            until = await sync_to_async(self._take)()
            if until is not None or not await sync_to_async(self._rows().exists)():
                return until
            if time.monotonic() > give_up:
                return None  # Others have had their turns; the version decides.
            await asyncio.sleep(pause)
            pause = min(2 * pause, LONGEST_LOOK)

    def _take(self) -> datetime | None:
        now = timezone.now()
        until = now + timedelta(seconds=TURN)
        free = self._rows().filter(Q(turn_until=None) | Q(turn_until__lt=now))
        return until if free.update(turn_until=until) else None

    def _give_back(self, until: datetime) -> None:
        self._rows().filter(turn_until=until).update(turn_until=None)

    # Tokens

    def _rows(self) -> Any:
        return Connection.objects.filter(server_id=self._server_id, holder=self._holder)

    def _get_tokens(self, server_url: str) -> Tokens | None:
        row = self._rows().first()
        self._read = None if row is None else (row.pk, row.version)
        if row is None or row.url != server_url:
            return None
        return tokens_in(row)

    def _set_tokens(self, server_url: str, tokens: Tokens | None) -> None:
        if tokens is None:
            self._rows().delete()
            return
        if self._client or (self._user_id is None and self._read is None):
            self._put(server_url, tokens)
        elif self._read is not None:
            pk, version = self._read
            values = self._values(server_url, tokens)
            if self._rows().filter(pk=pk, version=version).update(**values):
                self._read = (pk, values["version"])
        # Else there was nothing to renew: who only uses tokens connects nobody.

    def _put(self, server_url: str, tokens: Tokens) -> None:
        """After an authorization: whatever there was, the user has just agreed to this."""
        values = {**self._values(server_url, tokens), "registration": self._registration()}
        values |= {"wanted": "", "turn_until": None}
        if not self._rows().update(**values):
            key = {"server_id": self._server_id, "holder": self._holder}
            row = Connection(**key, user_id=self._user_id, **values)
            # Somebody else may be making the same one.
            Connection.objects.bulk_create([row], ignore_conflicts=True)
            self._rows().update(**values)

    def _values(self, server_url: str, tokens: Tokens) -> dict[str, Any]:
        return {
            "url": _fitting(server_url),
            "sealed": seal(tokens.model_dump_json(), _use_of_tokens(self._holder, server_url)),
            "version": uuid.uuid4(),
            "issuer": _fitting(tokens.issuer),
            "scopes": shown(" ".join(tokens.granted_scopes)),
            "renews": tokens.refresh_token is not None,
            "expires": _moment(tokens.expires_at),
            "changed": timezone.now(),
        }

    def _want(self, scopes: Iterable[str]) -> None:
        self._rows().update(wanted=shown(" ".join(scopes)))

    # Registrations

    def _registrations(self, issuer: str) -> Any:
        rows = Registration.objects.filter(server_id=self._server_id).order_by("-pk")
        if self._client:
            return rows.filter(digest=self._client)
        if self._begins:
            return rows
        own = self._rows().values_list("registration", flat=True).first()
        return sorted(rows, key=lambda row: row.pk != own)

    def _get_client(self, issuer: str) -> ClientInformation | None:
        for row in self._registrations(issuer):
            client = client_in(row)
            if client is not None and client.issuer == issuer:
                return client
        return None

    def _set_client(self, issuer: str, client: ClientInformation | None) -> None:
        if client is not None:
            digest = digest_of(issuer, client.client_id)
            sealed = seal(client.model_dump_json(), _use_of_client(self._server_id))
            Registration.objects.create(server_id=self._server_id, digest=digest, sealed=sealed)
            return
        known = self._get_client(issuer)
        if known is not None:
            digest = digest_of(issuer, known.client_id)
            Registration.objects.filter(server_id=self._server_id, digest=digest).delete()

    def _registration(self) -> Registration | None:
        rows = Registration.objects.filter(server_id=self._server_id, digest=self._client)
        return rows.first() if self._client else None


def tokens_in(row: Connection) -> Tokens | None:
    """The tokens of a connection; None where they cannot be opened."""
    use = _use_of_tokens(row.holder, row.url)
    kept = unseal(row.sealed, use, f"connection {row.pk}")
    try:
        return None if kept is None else Tokens.model_validate_json(kept)
    except ValidationError:
        return None


def client_in(row: Registration) -> ClientInformation | None:
    """A registration; None where it cannot be opened."""
    kept = unseal(row.sealed, _use_of_client(row.server_id), f"registration {row.pk}")
    try:
        return None if kept is None else ClientInformation.model_validate_json(kept)
    except ValidationError:
        return None


def digest_of(issuer: str, client_id: str) -> str:
    """What finds the registration of a client."""
    return sha256(json.dumps([issuer, client_id]).encode()).hexdigest()


def shown(text: str, most: int = 4000) -> str:
    """What somebody else wrote, as it is kept to be shown: on one line, and with an end."""
    return "".join(each if each.isprintable() else " " for each in text[:most]).strip()


def _use_of_tokens(holder: str, url: str) -> str:
    return json.dumps(["tokens", holder, url])


def _use_of_client(server_id: Any) -> str:
    return json.dumps(["registration", server_id])


def _fitting(url: str) -> str:
    if len(url) > LONGEST_URL or not url.isprintable():
        raise RequestFailed(f"{url[:80]!r}… is longer than a URL may be here.", url=url[:80])
    return url


def _moment(seconds: float | None) -> datetime | None:
    """What a DateTimeField holds, from seconds since the epoch."""
    if seconds is None:
        return None
    try:
        return datetime.fromtimestamp(seconds, UTC if settings.USE_TZ else None)
    except (ValueError, OverflowError, OSError):
        return None  # Good for longer than there are years.
