"""A user's way to an authorization server and back, in two requests of two processes, if need be.

What has begun is a row: it is found by the state that comes back, belongs to one user and to one
session of a browser, is taken out before it is used, and is over after ten minutes. The verifier of
the code is sealed in it and goes nowhere but to the authorization server. What is believed of an
answer is `client.auth`; pages are `views`.
"""

from __future__ import annotations

import json
from datetime import timedelta
from hashlib import sha256
from typing import Any, Final
from urllib.parse import parse_qs

import httpx
from asgiref.sync import sync_to_async
from django.utils import timezone
from django.utils.translation import gettext as _
from pydantic import ValidationError

from ..client.auth import Pending
from ..client.auth.challenges import bearer_challenge
from ..client.auth.code_flow import LIFETIME
from .authorizing import authorization_of, headers_of
from .errors import AnswerUnknown
from .models import Attempt, Connection, RemoteServer, holder_of
from .sealing import seal, unseal
from .storage import Storage, digest_of

#: Authorizations of one user that may be under way at a time; the oldest end.
MOST_ATTEMPTS: Final = 10
#: Seconds for the answer to the request with which a server is asked what it wants.
TIMEOUT: Final = 10.0
#: Characters of a state that are looked at.
LONGEST_STATE: Final = 200

_PING: Final = {"jsonrpc": "2.0", "id": 1, "method": "ping"}


async def begin(
    server: RemoteServer, user_id: Any, *, browser: str, redirect_uri: str, target: str
) -> str:
    """The URL of the authorization server to send the user to.

    `browser` is what only this session of the browser has, `target` where the user goes on in the
    end. Raises OAuthError, and ServerIncomplete.
    """
    storage = Storage(server, user_id, begins=True)
    authorization = authorization_of(server, storage)
    challenge = bearer_challenge([await _challenge(server)])
    found = await authorization.discover(challenge)
    tokens = await storage.get_tokens(server.url)
    before: tuple[str, ...] = ()
    if tokens is not None and tokens.issuer == found.issuer:
        wanted = await sync_to_async(_wanted)(server, user_id)
        before = (*tokens.requested_scopes, *wanted)
    pending = await authorization.begin_at(
        found, redirect_uri, challenge=challenge, before=dict.fromkeys(before)
    )
    await sync_to_async(_note)(server, user_id, browser, target, pending)
    return pending.url


def take(user_id: Any, *, browser: str, query: str) -> Attempt:
    """What a user comes back from, found by the query of the URL; it is over with that.

    Raises AnswerUnknown for what this user has not begun in this browser, and then nothing was
    changed.
    """
    attempt = _found(user_id, browser, query)
    # Of two requests with the same answer one deletes the row.
    if attempt is None or not Attempt.objects.filter(pk=attempt.pk).delete()[0]:
        raise AnswerUnknown(
            _(
                "This answer belongs to nothing that you have begun here, or it came too late, or"
                " for the second time. Nothing was done with it."
            )
        )
    return attempt


async def finish(attempt: Attempt, query: str) -> None:
    """Turn what a user came back with, the query of the URL, into tokens, which are then kept.

    Raises OAuthError; AnswerUnknown where the server was changed meanwhile.
    """
    server = attempt.server
    pending = _pending(attempt)
    if pending is None:
        raise AnswerUnknown(_("The server was changed meanwhile. Begin again."))
    client = digest_of(pending.metadata.issuer, pending.client_id)
    storage = Storage(server, attempt.user_id, client=client)
    await authorization_of(server, storage).finish(pending, f"?{query}")


async def _challenge(server: RemoteServer) -> str:
    """What the server says to somebody without a token; "" where it says nothing of that kind."""
    headers = await sync_to_async(headers_of)(server)
    sent = {"Accept": "application/json, text/event-stream", **headers}
    try:
        async with (
            httpx.AsyncClient(timeout=TIMEOUT) as http,
            http.stream("POST", server.url, json=_PING, headers=sent) as response,
        ):
            if response.status_code != httpx.codes.UNAUTHORIZED:
                return ""
            return ", ".join(response.headers.get_list("www-authenticate"))
    except httpx.HTTPError:
        return ""  # Whoever looks for its metadata next says what is wrong.


def _wanted(server: RemoteServer, user_id: Any) -> list[str]:
    row = Connection.objects.filter(server=server, holder=holder_of(user_id)).first()
    return [] if row is None else row.wanted.split()


def _note(server: RemoteServer, user_id: Any, browser: str, target: str, pending: Pending) -> None:
    now = timezone.now()
    Attempt.objects.filter(created__lt=now - timedelta(seconds=LIFETIME)).delete()
    mine = Attempt.objects.filter(user_id=user_id).order_by("-pk")
    older = list(mine.values_list("pk", flat=True)[MOST_ATTEMPTS - 1 :])
    Attempt.objects.filter(pk__in=older).delete()
    digest = _digest(pending.state)
    Attempt.objects.create(
        digest=digest,
        server=server,
        user_id=user_id,
        browser=_digest(browser),
        sealed=seal(pending.model_dump_json(), _use(digest, server)),
        target=target,
        created=now,
    )


def _found(user_id: Any, browser: str, query: str) -> Attempt | None:
    try:
        states = parse_qs(query, max_num_fields=20).get("state", [])
    except ValueError:
        states = []
    if len(states) != 1 or len(states[0]) > LONGEST_STATE or not browser:
        return None
    rows = Attempt.objects.filter(
        digest=_digest(states[0]),
        user_id=user_id,
        browser=_digest(browser),
        created__gte=timezone.now() - timedelta(seconds=LIFETIME),
    )
    return rows.select_related("server").first()


def _pending(attempt: Attempt) -> Pending | None:
    """What was begun; None where its server is not the same any more, or nothing opens it."""
    server = attempt.server
    if not server.enabled or server.authorization != RemoteServer.Authorization.USER:
        return None
    kept = unseal(attempt.sealed, _use(attempt.digest, server), f"attempt {attempt.pk}")
    try:
        return None if kept is None else Pending.model_validate_json(kept)
    except ValidationError:
        return None


def _use(digest: str, server: RemoteServer) -> str:
    return json.dumps(["attempt", digest, server.url])


def _digest(text: str) -> str:
    return sha256(text.encode(errors="replace")).hexdigest()
