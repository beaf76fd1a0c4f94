"""How a user gets to the authorization server, and how the answer comes back.

Three implementations of one interface: `Handlers` calls two functions of yours, `NoInteraction`
refuses, and `loopback.LoopbackBrowser` opens a browser and listens on this machine.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Protocol

from .code_flow import AuthorizationResponse
from .errors import InteractionRequired


class Visit(Protocol):
    """One user's way to the authorization server and back."""

    #: Where the authorization server sends the user back to.
    redirect_uri: str

    async def authorize(self, url: str) -> AuthorizationResponse:
        """Send the user to `url`, and wait for what comes back; whoever called checks it."""
        ...


class Interaction(Protocol):
    """Somewhere a user can be found."""

    def visit(self) -> AbstractAsyncContextManager[Visit]:
        """Get ready for one visit. Raises InteractionRequired where there is nobody."""
        ...


class Handlers:
    """Two functions: `redirect` gets the URL to send the user to, `callback` returns the answer.

    `callback` may return the URL that the user was sent back to.
    """

    def __init__(
        self,
        redirect_uri: str,
        redirect: Callable[[str], Awaitable[None]],
        callback: Callable[[], Awaitable[AuthorizationResponse | str]],
    ) -> None:
        self.redirect_uri = redirect_uri
        self._redirect = redirect
        self._callback = callback

    @asynccontextmanager
    async def visit(self) -> AsyncIterator[Visit]:
        yield self

    async def authorize(self, url: str) -> AuthorizationResponse:
        await self._redirect(url)
        answer = await self._callback()
        return AuthorizationResponse.from_url(answer) if isinstance(answer, str) else answer


class NoInteraction:
    """Nobody is there: what is stored is used and renewed, and more cannot be had."""

    @asynccontextmanager
    async def visit(self) -> AsyncIterator[Visit]:
        raise InteractionRequired(
            "A user has to authorize this client, and nobody can be asked from here. Begin with"
            " `Authorization.begin` where the user is, and give it the `challenge` of this error."
        )
        yield  # type: ignore[unreachable]
