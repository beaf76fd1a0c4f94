"""Bearer tokens: DJANGO_MCP["AUTHENTICATION"] = "django_mcp.oauth.authentication.bearer".

Owns where a token may stand in a request, and what is answered where there is none or a wrong one.
Whom a token speaks for is asked of the verifiers of the setting, in order; `tokens`, `personal` and
`external` are three of them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from itertools import groupby
from typing import Any, ClassVar, Final, Protocol, TypeAlias

from django.utils.module_loading import import_string

from .. import conf as project
from ..backends.batches import Batches, Operation
from ..backends.threads import DjangoWorkers
from ..server.access import Principal
from ..transports.http.types import HttpRequest, Refused
from . import conf
from .addresses import resource_of
from .challenges import challenge
from .discretion import discreet

#: What a bearer token is made of (RFC 6750, section 2.1), and the longest that is looked at.
TOKEN: Final = re.compile(r"[A-Za-z0-9\-._~+/]{1,8192}=*")


Verify: TypeAlias = Callable[[str, str], Principal | None]


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
            principal = await _spoken_for(token, resource)
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


async def _spoken_for(token: str, resource: str) -> Principal | None:
    """What the first of the verifiers says that knows the token.

    Those that ask the database alone do so together with those of other requests; one that may
    wait for somebody else has a thread to itself.
    """
    for together, those in groupby(verifiers(), _asks_the_database):
        if together:
            principal = await _batches().do(_Question(tuple(those), token, resource))
        else:
            principal = await _workers().run_sync(_first, tuple(those), token, resource)
        if principal is not None:
            return principal
    return None


class _Question(Operation[Principal]):
    """Whom a token speaks for."""

    def __init__(self, verifiers: Sequence[Verify], token: str, resource: str) -> None:
        self._verifiers, self._token, self._resource = verifiers, token, resource

    def ask(self) -> None:
        try:
            self.result = _first(self._verifiers, self._token, self._resource)
        except Exception as error:
            self.failed(error)


def _answer(questions: Sequence[Operation[Any]]) -> None:
    for question in questions:
        if isinstance(question, _Question):
            question.ask()


def _first(verifiers: Sequence[Verify], token: str, resource: str) -> Principal | None:
    for verify in verifiers:
        principal = verify(token, resource)
        if principal is not None:
            return principal
    return None


def _asks_the_database(verify: Verify) -> bool:
    return getattr(verify, "asks_the_database", False)


@cache
def _batches() -> Batches:
    # One batch at a time in each event loop, of which a process has one or two.
    return Batches(_answer, DjangoWorkers(2, atomic=False).run_sync)


@cache
def _workers() -> DjangoWorkers:
    return DjangoWorkers(project.get().max_threads, atomic=False)


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
