"""Which user of this project somebody is, whom an identity provider vouches for.

By an identity that was linked, and else only as the setting of the provider says: by an address
that the provider has verified (MATCH_EMAIL), or as somebody new (CREATE_USERS). Never by a
username: whoever chooses one at a provider would choose whose account to have. Issuers are kept
apart, since each has its own subjects.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, Final

from django.contrib.auth import get_user_model
from django.core.exceptions import FieldDoesNotExist, ValidationError
from django.db import DatabaseError, models, router, transaction
from django.utils import timezone
from django.utils.module_loading import import_string

from ..identity_providers import IdentityProvider
from ..models import ExternalIdentity
from .claims import Claims, NotGood

logger = logging.getLogger("django_mcp.oauth")

#: How exactly it is noted when an identity was last used: each note is a write.
NOTED_EVERY: Final = timedelta(minutes=5)


def identity_of(claims: Claims, provider: IdentityProvider) -> ExternalIdentity:
    """The identity whose user is let in; raises NotGood where there is none.

    One query finds one that is linked, by the digest of issuer and subject, and its user with it.
    """
    found = _find(claims) or _linked(claims, provider)
    if found is None:
        raise NotGood(f"nobody is linked to the subject {claims.subject!r}")
    if found.user is None:
        raise NotGood(f"the subject {claims.subject!r} was unlinked")
    if not found.user.is_active:
        raise NotGood(f"the user {found.user.pk} is not active")
    _note_use(found, timezone.now())
    return found


def _find(claims: Claims) -> ExternalIdentity | None:
    digest = ExternalIdentity.digest_of(claims.issuer, claims.subject)
    rows = ExternalIdentity.objects.select_related("user").filter(digest=digest)
    return rows.order_by().first()


def _linked(claims: Claims, provider: IdentityProvider) -> ExternalIdentity | None:
    """A new identity, as the setting of the provider allows it."""
    if claims.subject == claims.client_id:
        return None  # A program's own token is nobody's (RFC 9068, section 5).
    if provider.match_email and (known := _users_with(claims.email)):
        # Somebody who is here already is not made anew: that would let in whom was locked out.
        user = _only(known, claims.issuer)
        return None if user is None else _made(claims, lambda: user)
    if isinstance(provider.create_users, str):
        path = provider.create_users
        return _made(claims, lambda: import_string(path)(claims.issuer, claims.everything))
    if provider.create_users:
        # What is read is read before, so that the transaction begins with a write (`connecting`).
        said = _said_of_new_user(claims)
        return _made(claims, lambda: _new_user(said))
    return None


def _users_with(email: str | None) -> list[Any]:
    """Those who have an address that was verified."""
    if email is None:
        return []
    model: Any = get_user_model()
    name = model.get_email_field_name()
    near = model._default_manager.filter(**{f"{name}__iexact": email})[:10]
    # In Python, since some databases take accents for nothing.
    return [user for user in near if getattr(user, name).lower() == email.lower()]


def _only(users: list[Any], issuer: str) -> Any:
    """The only one of `users`, who may be linked without anybody looking; None for all else.

    Superusers are linked by hand alone: a mistake at the provider would be one with everything.
    Nor is there a second subject of an issuer for one user: an address that was given to somebody
    else there does not come with the account here.
    """
    user = users[0]
    if len(users) > 1 or not user.is_active or getattr(user, "is_superuser", False):
        return None
    taken = ExternalIdentity.objects.filter(user=user, issuer=issuer)
    return None if taken.exists() else user


def _made(claims: Claims, user_of: Callable[[], Any]) -> ExternalIdentity | None:
    """The identity and, where it is a new one, its user; or the one that another request made."""
    try:
        with transaction.atomic(using=_database()):
            user = user_of()
            if user is None:
                return None
            made = ExternalIdentity.objects.create(
                issuer=claims.issuer, subject=claims.subject, user=user
            )
    except Exception as error:  # Whatever a project's own function raises lets nobody in.
        found = _find(claims)
        if found is None:
            logger.error(
                "No user can be made for %r of %s (%s). Link one by hand in the admin.",
                claims.subject,
                claims.issuer,
                type(error).__name__,
                exc_info=not isinstance(error, DatabaseError | ValidationError),
            )
        return found
    logger.info("%r of %s is the user %s", claims.subject, claims.issuer, user.pk)
    return made


def _said_of_new_user(claims: Claims) -> dict[str, Any]:
    """A username that nobody chose, so that it is no other's, and a verified address."""
    model: Any = get_user_model()
    name, address = model.USERNAME_FIELD, model.get_email_field_name()
    said: dict[str, Any] = {}
    if claims.email is not None and not _is_taken(model, address, claims.email):
        said[address] = claims.email
    if not isinstance(model._meta.get_field(name), models.EmailField):
        digest = ExternalIdentity.digest_of(claims.issuer, claims.subject)
        said[name] = f"external-{digest[:32]}"
    return said


def _new_user(said: dict[str, Any]) -> Any:
    user: Any = get_user_model()(**said)
    user.set_unusable_password()
    user.clean_fields()
    user.save()
    return user


def _is_taken(model: Any, address: str, email: str) -> bool:
    try:
        model._meta.get_field(address)
    except FieldDoesNotExist:
        return True
    return bool(model._default_manager.filter(**{f"{address}__iexact": email}).exists())


def _note_use(identity: ExternalIdentity, now: datetime) -> None:
    if identity.used is None or identity.used < now - NOTED_EVERY:
        ExternalIdentity.objects.filter(pk=identity.pk).update(used=now)


def _database() -> str:
    return router.db_for_write(ExternalIdentity)
