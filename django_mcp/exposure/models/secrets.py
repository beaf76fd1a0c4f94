"""What is never exposed: models that hold credentials, and fields that look like one.

The lists are by name, since the packages they belong to need not be installed. A project adds to
them with DJANGO_MCP["NEVER_EXPOSE"].
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Iterable
from typing import Any, Final

from django.db import models

from ...backends import secret_names

#: Classes by which a model is known to hold credentials, whatever it is called: any of its bases.
_BASES: Final = frozenset(
    {
        "django.contrib.sessions.base_session.AbstractBaseSession",
        "oauth2_provider.models.AbstractAccessToken",
        "oauth2_provider.models.AbstractApplication",
        "oauth2_provider.models.AbstractGrant",
        "oauth2_provider.models.AbstractIDToken",
        "oauth2_provider.models.AbstractRefreshToken",
        "oauth2_provider.models.AbstractDeviceGrant",
        "rest_framework.authtoken.models.Token",
        "knox.models.AbstractAuthToken",
        "django_otp.models.Device",
        "rest_framework_api_key.models.AbstractAPIKey",
    }
)
#: Apps all of whose models hold credentials, or what was done with them.
_APPS: Final = frozenset(
    {
        "sessions",
        "authtoken",
        "oauth2_provider",
        "django_mcp",
        "django_mcp_oauth",
        "knox",
        "token_blacklist",
        "otp_totp",
        "otp_static",
        "otp_hotp",
        "otp_email",
        "otp_webauthn",
        "two_factor",
        "mfa",
        "social_django",
        "socialaccount",
        "axes",
        "rest_framework_api_key",
    }
)
#: Words in the name of a model that holds nothing else.
_MODEL: Final = re.compile(
    r"(?:api_?key|access_?token|refresh_?token|auth_?token|credential|password|passkey|"
    r"recovery_?code|session)s?$|^token$|^secrets?$",
    re.IGNORECASE,
)


def holds_credentials(model: type[models.Model]) -> bool:
    """True for a model that is not exposed, whatever is asked."""
    meta = model._meta
    return (
        meta.app_label in _APPS
        or _MODEL.search(meta.object_name or "") is not None
        or any(f"{base.__module__}.{base.__qualname__}" in _BASES for base in model.__mro__)
    )


def is_password(field: Any) -> bool:
    """True for the field Django keeps a password in, which nobody can expose."""
    bases = {f"{base.__module__}.{base.__qualname__}" for base in field.model.__mro__}
    user = "django.contrib.auth.base_user.AbstractBaseUser" in bases
    return bool(user and field.name == "password")


def looks_secret(name: str) -> bool:
    """True for the name of a field that is exposed only where it is named."""
    return secret_names.looks_secret(name)


def is_denied(model: type[models.Model], field: str | None, denied: Iterable[str]) -> bool:
    """True where the project says so: "app.Model", "app.Model.field", "*.*.iban"."""
    label = model._meta.label.lower()
    name = label if field is None else f"{label}.{field.lower()}"
    return any(
        fnmatch.fnmatchcase(name, pattern.lower())
        for pattern in denied
        if pattern.count(".") == name.count(".")
    )
