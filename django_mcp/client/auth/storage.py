"""Where tokens and registrations are kept, and the keeping in memory.

One storage may serve several servers and several authorization servers; it belongs to one user.
What it keeps are secrets: whoever writes them somewhere encrypts them, and shows them to nobody
else.
"""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager, nullcontext
from typing import Protocol, runtime_checkable

from .values import ClientInformation, Tokens


class TokenStorage(Protocol):
    """What is remembered from one run to the next.

    Processes may share one: before a token is renewed, it is looked up here, whether another
    process has done so. What `set_…` was given last, `get_…` answers; None removes.
    """

    async def get_tokens(self, server_url: str) -> Tokens | None:
        """The tokens for the server."""
        ...

    async def set_tokens(self, server_url: str, tokens: Tokens | None) -> None:
        """Keep these tokens for the server, in place of others."""
        ...

    async def get_client(self, issuer: str) -> ClientInformation | None:
        """How the client was registered at the authorization server."""
        ...

    async def set_client(self, issuer: str, client: ClientInformation | None) -> None:
        """Keep how the client is registered at the authorization server."""
        ...


@runtime_checkable
class TakesTurns(Protocol):
    """A storage that processes share, and that lets one of them renew at a time.

    A refresh token may be good for one use, and its second use taken for a thief's.
    """

    def turn(self, server_url: str) -> AbstractAsyncContextManager[None]:
        """Wait until nobody else renews the tokens for the server, and keep others waiting.

        Neither may last for ever: whoever has the turn may be gone.
        """
        ...


def turn(storage: TokenStorage, server_url: str) -> AbstractAsyncContextManager[None]:
    """The turn to renew, where `storage` has turns."""
    return storage.turn(server_url) if isinstance(storage, TakesTurns) else nullcontext()


class MemoryStorage:
    """Keeps everything as long as it lives itself, and nothing longer."""

    def __init__(self) -> None:
        self._tokens: dict[str, Tokens] = {}
        self._clients: dict[str, ClientInformation] = {}

    async def get_tokens(self, server_url: str) -> Tokens | None:
        return self._tokens.get(server_url)

    async def set_tokens(self, server_url: str, tokens: Tokens | None) -> None:
        if tokens is None:
            self._tokens.pop(server_url, None)
        else:
            self._tokens[server_url] = tokens

    async def get_client(self, issuer: str) -> ClientInformation | None:
        return self._clients.get(issuer)

    async def set_client(self, issuer: str, client: ClientInformation | None) -> None:
        if client is None:
            self._clients.pop(issuer, None)
        else:
            self._clients[issuer] = client
