"""Clients that are known by the URL of a document that describes them (CIMD).

Owns when a document is fetched, what one must say, and for how long it is good. How it is fetched
without harm is `fetching`.

Source: 2026-07-28, basic/authorization/client-registration#client-id-metadata-documents;
draft-ietf-oauth-client-id-metadata-document.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Final
from urllib.parse import urlsplit

from django.db import IntegrityError, transaction
from django.utils import timezone
from oauth2_provider.models import AbstractApplication

from ..backends.throttles import wait_after
from ..conf import Rate
from ..server.sessions import is_storable
from . import clients, conf, fetching
from .fetching import CannotFetch, Fetched
from .models import Client
from .registering import Unacceptable, acceptable_redirects, name_in

#: Seconds for which a document is good, at least, at most, and where its server does not say.
SHORTEST: Final = 300
LONGEST: Final = 24 * 3600
USUAL: Final = 3600
#: How long the last good copy stays good where a new one cannot be had.
LAST_RESORT: Final = timedelta(hours=24)
#: New documents that one user may have fetched, and fetches from one host.
PER_USER: Final = Rate(10, 3600)
PER_HOST: Final = Rate(10, 60)


class Unusable(Exception):
    """There is no document, or it does not describe a client; the text says why."""


def is_document_url(client_id: str) -> bool:
    """True where a client of this id is described by a document at it."""
    return conf.get().client_documents and fetching.is_fetchable(client_id)


def shown_host(client_id: str) -> str:
    """The host that vouches for a client, as people are shown it; "" for one without."""
    if not client_id.startswith("https://"):
        return ""
    return urlsplit(client_id).netloc


def client_of(url: str, *, user: Any) -> Client | None:
    """The client that the document at `url` describes; raises Unusable.

    For a user who has logged in: a fetch goes out in their name, and there is an end to how many.
    """
    known = clients.known(url)
    if known is not None and not _is_due(known):
        return known
    host = urlsplit(url).netloc
    allowed = conf.get().client_document_hosts
    if allowed and host not in allowed:
        raise Unusable(f"{host} is not one of the hosts that are allowed here")
    try:
        if known is None and wait_after("oauth:document-user", str(user.pk), PER_USER):
            raise CannotFetch("too many were asked for within an hour")
        if wait_after("oauth:document-host", host, PER_HOST):
            raise CannotFetch("too many were asked for within a minute")
        fetched = fetching.waited_for(fetching.fetch(url))
        described = _described(url, fetched)
    except (CannotFetch, Unacceptable) as error:
        if known is not None and known.expires and timezone.now() < known.expires + LAST_RESORT:
            return known
        raise Unusable(str(error)) from None
    return _created(url, described) if known is None else _updated(known, described)


def _is_due(client: Client) -> bool:
    """True where a document has to be fetched again: never for one that was registered by hand
    under a URL, nor for one that may not be used anyway."""
    if client.application.registration_source != AbstractApplication.RegistrationSource.CIMD:
        return False
    if client.status == Client.Status.BLOCKED:
        return False
    return client.expires is None or client.expires <= timezone.now()


def _described(url: str, fetched: Fetched) -> dict[str, Any]:
    """What is kept of a document; raises Unacceptable."""
    document = fetched.document
    if document.get("client_id") != url:
        raise Unacceptable("its client_id is not the URL it is at")
    if "client_secret" in document or "client_secret_expires_at" in document:
        raise Unacceptable("it has a secret in it")
    if not is_storable(document):
        raise Unacceptable("it has a NUL in it")
    name = document.get("client_name")
    if not isinstance(name, str) or not name.strip():
        raise Unacceptable("it has no client_name")
    methods = document.get("token_endpoint_auth_methods_supported")
    method = document.get("token_endpoint_auth_method", "none" if methods is None else None)
    if method != "none" and not (isinstance(methods, list) and "none" in methods):
        raise Unacceptable("it wants to prove who it is in a way that is not known here: use none")
    grants = document.get("grant_types", ["authorization_code", "refresh_token"])
    if not isinstance(grants, list) or "authorization_code" not in grants:
        raise Unacceptable("it does not use authorization codes")
    lasting = USUAL if fetched.max_age is None else fetched.max_age
    now = timezone.now()
    return {
        "name": name_in(document),
        "redirect_uris": acceptable_redirects(document.get("redirect_uris")),
        "refreshes": "refresh_token" in grants,
        "metadata": document,
        "fetched": now,
        "expires": now + timedelta(seconds=min(max(lasting, SHORTEST), LONGEST)),
    }


def _created(url: str, described: dict[str, Any]) -> Client | None:
    pending = conf.get().registration == "approval"
    status = Client.Status.PENDING if pending else Client.Status.ALLOWED
    source = AbstractApplication.RegistrationSource.CIMD
    try:
        return clients.add(client_id=url, source=source, status=status, **described)[0]
    except IntegrityError:  # Somebody else was first.
        return clients.known(url)


def _updated(client: Client, described: dict[str, Any]) -> Client:
    with transaction.atomic():
        application = client.application
        application.name = described.pop("name")[: clients.LONGEST_NAME]
        application.redirect_uris = " ".join(described.pop("redirect_uris"))
        application.save(update_fields=["name", "redirect_uris", "updated"])
        for name, value in described.items():
            setattr(client, name, value)
        client.save(update_fields=list(described))
    return client
