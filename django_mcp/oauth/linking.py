"""External identities, linked to users by hand and unlinked.

What links one by itself, where the settings say so, is `external.identities`.
"""

from __future__ import annotations

import logging
from typing import Any

from django.db import models, router, transaction

from .models import ExternalIdentity

logger = logging.getLogger("django_mcp.oauth")


def link(issuer: str, subject: str, user: Any) -> ExternalIdentity:
    """Let in as `user` whom `issuer` calls `subject`, whoever that was before."""
    digest = ExternalIdentity.digest_of(issuer, subject)
    with transaction.atomic(using=router.db_for_write(ExternalIdentity)):
        identity, _ = ExternalIdentity.objects.update_or_create(
            digest=digest, defaults={"issuer": issuer, "subject": subject, "user": user}
        )
    logger.info("The user %s was linked to %r of %s", user.pk, subject, issuer)
    return identity


def unlink(identities: models.QuerySet[ExternalIdentity]) -> int:
    """Let nobody in by these identities from the next request on; how many there were."""
    return identities.update(user=None)
