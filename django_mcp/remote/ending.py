"""The end of connections: tokens are forgotten here, and ended where they came from if that is
possible."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass

from asgiref.sync import sync_to_async

from ..client.auth import OAuthError, Tokens
from . import conf
from .authorizing import authorization_of
from .models import Connection, RemoteServer
from .storage import Storage, tokens_in

logger = logging.getLogger("django_mcp.remote")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Ended:
    """What has to be given back once it is out of the database."""

    server: RemoteServer
    storage: Storage
    tokens: Tokens


async def disconnect(rows: Sequence[Connection]) -> list[Connection]:
    """Forget what users have connected, and have the tokens ended at the authorization servers.

    Those are returned whose authorization server has not ended them: it has no way to, or did not
    answer in the seconds that TEST_SECONDS allows for all. Here they are gone in any case.
    """
    ended = [await sync_to_async(_forget)(row) for row in rows]
    done = await asyncio.gather(*(_revoke(each) for each in ended))
    return [row for row, is_revoked in zip(rows, done, strict=True) if not is_revoked]


def _forget(row: Connection) -> _Ended | None:
    tokens = tokens_in(row)
    client = row.registration.digest if row.registration is not None else ""
    Connection.objects.filter(pk=row.pk).delete()
    if tokens is None:
        return None
    storage = Storage(row.server, row.user_id, client=client)
    return _Ended(server=row.server, storage=storage, tokens=tokens)


async def _revoke(ended: _Ended | None) -> bool:
    # They are of the URL they were got for; what is asked is an authorization server alone.
    if ended is None or not ended.server.url:
        return False
    try:
        async with asyncio.timeout(conf.get().test_seconds):
            authorization = await sync_to_async(authorization_of)(ended.server, ended.storage)
            return await authorization.revoke(ended.tokens)
    except (OAuthError, TimeoutError) as error:
        # Its text may be another server's.
        logger.info("Tokens were not ended at %s: %s", ended.tokens.issuer, type(error).__name__)
        return False
