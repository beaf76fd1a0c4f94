"""The authorization of requests by a user: `OAuth`, for `httpx.AsyncClient(auth=…)`."""

from __future__ import annotations

import time
from collections.abc import Iterable

import httpx

from .authorization import Authorization
from .bearer import BearerAuth, Need, Obtained
from .client_authentication import Signer
from .discovery import Discovery
from .errors import InteractionRequired
from .interaction import Interaction
from .loopback import LoopbackBrowser
from .registration import Registration
from .storage import TokenStorage, turn
from .values import Tokens


class OAuth(BearerAuth):
    """Tokens for the MCP server at `server_url`, which a user grants.

    The user is asked when the server wants a token, or more scopes, and `interaction` says how; by
    itself a browser is opened on this machine. Tokens that ran out are renewed without him. The
    rest is as in `Authorization`. What goes wrong is raised from the request as OAuthError.
    """

    def __init__(
        self,
        server_url: str,
        *,
        interaction: Interaction | None = None,
        storage: TokenStorage | None = None,
        registration: Registration | None = None,
        scopes: Iterable[str] = (),
        signer: Signer | None = None,
        fallback: bool = True,
        allow_private: bool = False,
        http: httpx.AsyncClient | None = None,
    ) -> None:
        self._authorization = Authorization(
            server_url,
            storage=storage,
            registration=registration,
            scopes=scopes,
            signer=signer,
            fallback=fallback,
            allow_private=allow_private,
            http=http,
        )
        super().__init__(server_url, self._authorization.storage)
        self._interaction: Interaction = LoopbackBrowser() if interaction is None else interaction
        #: The last tokens that were got by renewing.
        self._renewed: Tokens | None = None

    async def sign_in(self) -> None:
        """Have a token before the first request: stored, renewed, or granted by the user now.

        A user takes longer than a request may. Raises OAuthError.
        """
        await self._load()
        if self._tokens is None or self._tokens.expired(time.time()):
            await self._obtained(Need(sent=self._tokens))

    def can_renew(self, tokens: Tokens) -> bool:
        return tokens.refresh_token is not None and self._authorization.found is not None

    async def obtain(self, need: Need) -> Obtained:
        """Renew, or have the user authorize again.

        A 401 may mean that the authorization server is another now, so it is looked up first; what
        the former one gave is not shown to it (2026-07-28, client-registration
        #authorization-server-binding).
        """
        found = await self._found(need)
        if not need.step_up:
            async with turn(self.storage, self.server_url):
                renewed = await self._renew(need, found)
            if renewed is not None:
                return Obtained(tokens=renewed, granted=False)
        stored = await self.storage.get_tokens(self.server_url)
        tokens = await self._authorize(need, found, stored)
        return Obtained(tokens=tokens, granted=True)

    async def _renew(self, need: Need, found: Discovery) -> Tokens | None:
        # Somebody else may have done it before it was this one's turn.
        tokens = await self._stored_by_another(need)
        if tokens is not None:
            return tokens
        stored = await self.storage.get_tokens(self.server_url)
        # What was renewed for this request and did not do is not renewed again.
        if stored is None or (need.attempt > 0 and stored == self._renewed):
            return None
        renewed = await self._authorization.refresh(found, stored)
        if renewed is not None:
            self._renewed = renewed
        return renewed

    async def _found(self, need: Need) -> Discovery:
        known = self._authorization.found
        if known is not None and (need.step_up or not need.header):
            return known
        return await self._authorization.discover(need.challenge, need.headers)

    async def _authorize(self, need: Need, found: Discovery, stored: Tokens | None) -> Tokens:
        same = stored is not None and stored.issuer == found.issuer
        before = stored.requested_scopes if stored is not None and same else ()
        try:
            async with self._interaction.visit() as visit:
                pending = await self._authorization.begin_at(
                    found, visit.redirect_uri, challenge=need.challenge, before=before
                )
                response = await visit.authorize(pending.url)
                return await self._authorization.finish(pending, response)
        except InteractionRequired as error:
            raise InteractionRequired(str(error), challenge=need.header) from None
