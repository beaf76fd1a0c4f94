"""Bearer tokens: DJANGO_MCP["AUTHENTICATION"] = "django_mcp.oauth.authentication.bearer".

Owns where a token may stand in a request, and what is answered where there is none or a wrong one.
Whom a token speaks for is asked of the verifiers of the setting, in order; `tokens`, `personal` and
`external` are three of them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import cache
from typing import ClassVar, Final, Protocol

from django.utils.module_loading import import_string

from ..server.access import Principal
from ..transports.http.types import HttpRequest, Refused
from . import conf
from .addresses import resource_of
from .challenges import challenge
from .discretion import discreet
from .verifying import Verify, spoken_for

#: What a bearer token is made of (RFC 6750, section 2.1), and the longest that is looked at.
TOKEN: Final = re.compile(r"[A-Za-z0-9\-._~+/]{1,8192}=*")


class TokenVerifier(Protocol):
    """Says whom a bearer token speaks for.

    Called in a thread, for each request anew. `resource` is the canonical URL of the endpoint that
    the token was sent to: a token for any other is none of its own, and gives None (2026-07-28,
    basic/authorization#token-handling). The principal has `limits`, or scopes limit nothing.
    """

    def __call__(self, token: str, resource: str) -> Principal | None: ...


class Bearer:
    """Lets in whoever sends a valid token as `Authorization: Bearer …`, and nobody else.

    No other place is looked at: neither the query, nor the body, nor cookies (2026-07-28,
    basic/authorization#token-requirements).
    """

    #: See `django_mcp.authentication.authenticator`.
    has_threads: ClassVar[bool] = True

    @discreet
    async def __call__(self, request: HttpRequest) -> Principal:
        """The party that the token of `request` speaks for; raises Refused."""
        scheme, _, token = request.headers.get("authorization", "").strip().partition(" ")
        if scheme.lower() != "bearer":
            raise _refused(request)
        token, resource = token.strip(" "), resource_of(request)
        if TOKEN.fullmatch(token) and resource is not None:
            principal = await spoken_for(verifiers(), token, resource)
            if principal is not None:
                return principal
        raise _refused(request, "invalid_token", "The token is unknown, expired or not for here.")

    def challenge(
        self, request: HttpRequest, principal: Principal, scopes: Sequence[str]
    ) -> Mapping[str, str]:
        """The header that has the client of `principal` ask for `scopes`, besides what it has.

        Clients up to 2025-11-25 ask for nothing but what is named, and would lose the rest.
        """
        policy = conf.policy()
        wanted = policy.without_implied([*sorted(principal.scopes), *scopes])
        needed = " ".join(scopes)
        return challenge(request, wanted, "insufficient_scope", f"This needs the scope {needed}.")


def _refused(
    request: HttpRequest, error: str | None = None, description: str | None = None
) -> Refused:
    headers = challenge(request, conf.get().base_scopes, error, description)
    # Every client begins without a token, to be told where to get one; some do so several times.
    attempted = bool(request.headers.get("authorization"))
    message = description or "Authentication required"
    return Refused(401, message, headers, attempted=attempted)


def verifiers() -> list[Verify]:
    """Those of the setting, in order."""
    return [_load(path) for path in conf.get().verifiers]


@cache
def _load(path: str) -> Verify:
    found: Verify = import_string(path)
    return found


bearer = Bearer()
