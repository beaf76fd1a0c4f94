"""Asking a server of this process, as a client would: one request, and all that comes of it.

Owns the message and who reads the answer; the server is reached as from every transport, through
`MCPServer.answer`, with its access rules, its middleware, its throttles and its journal.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from ..protocol import jsonrpc
from ..protocol.envelope import (
    CLIENT_CAPABILITIES,
    CLIENT_INFO,
    LOG_LEVEL,
    PROTOCOL_VERSION,
    open_envelope,
)
from ..protocol.errors import ProtocolError
from ..protocol.jsonrpc import Request
from ..protocol.revisions import REVISIONS
from ..server.access import Principal
from ..server.exchange import Caller, Exchange
from ..server.peer import from_envelope

#: Seconds a call may take; who looks at the page waits for it.
PATIENCE: Final = 30.0
#: Notifications that are kept of one call, and pages of a list that are read.
MOST_SAID: Final = 200
MOST_PAGES: Final = 20

NAME: Final = "django-mcp-inspector"
CAPABILITIES: Final[Mapping[str, Any]] = {"elicitation": {"form": {}, "url": {}}}


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What came of a request: a result or an error, and what was said before it."""

    result: Mapping[str, Any] | None = None
    error: Mapping[str, Any] | None = None
    said: Sequence[Mapping[str, Any]] = ()
    correlation: str = ""

    @property
    def questions(self) -> Mapping[str, Any]:
        """What the server asks before it goes on, by the keys of its questions."""
        found = (self.result or {}).get("inputRequests")
        return found if isinstance(found, Mapping) else {}


class _Notebook:
    """Where the notifications of a call go."""

    connected = True

    def __init__(self) -> None:
        self.said: list[Mapping[str, Any]] = []

    async def send(self, method: str, params: dict[str, Any]) -> None:
        if len(self.said) < MOST_SAID:
            self.said.append({"method": method, "params": params})

    async def close(self, retry: float) -> None:
        return None


class Inspection:
    """A server, asked on behalf of `principal` at `origin`."""

    def __init__(self, server: Any, principal: Principal, origin: str | None) -> None:
        self._server = server
        self._caller = Caller(principal, headers={}, origin=origin)

    async def ask(
        self, method: str, params: Mapping[str, Any], *, correlation: str = ""
    ) -> Outcome:
        """Send one request, which is given up after `PATIENCE` seconds."""
        meta = {
            PROTOCOL_VERSION: REVISIONS[-1].name,
            CLIENT_INFO: {"name": NAME, "version": self._server.version},
            CLIENT_CAPABILITIES: CAPABILITIES,
            LOG_LEVEL: "debug",
            "progressToken": "inspector",
        }
        body = jsonrpc.request_bytes(1, method, {**params, "_meta": meta})
        notebook = _Notebook()
        try:
            request: Any = jsonrpc.parse(body)
            exchange = self._exchange(request, notebook)
            if correlation:
                exchange.continues(correlation)
            async with asyncio.timeout(PATIENCE):
                reply = await self._server.answer(exchange)
        except TimeoutError:
            words = f"Cancelled: there was no answer within {PATIENCE:g} seconds."
            return Outcome(error={"message": words}, said=notebook.said, correlation=correlation)
        except ProtocolError as error:
            return Outcome(error=error.to_wire(), correlation=correlation)
        answer = _for_a_page(json.loads(reply.body))
        return Outcome(
            result=answer.get("result"),
            error=answer.get("error"),
            said=notebook.said,
            correlation=exchange.correlation,
        )

    def _exchange(self, request: Request, notebook: _Notebook) -> Exchange:
        revision = open_envelope(request, None, self._server.revisions)
        peer = from_envelope(revision, request.params["_meta"])
        return Exchange(self._server, request, peer, self._caller, notebook)

    async def listed(self, method: str, kind: str) -> list[Mapping[str, Any]]:
        """The members of a list, of all its pages up to `MOST_PAGES`; raises ListRefused."""
        found: list[Mapping[str, Any]] = []
        params: dict[str, Any] = {}
        for _ in range(MOST_PAGES):
            outcome = await self.ask(method, params)
            if outcome.result is None:
                raise ListRefused(str((outcome.error or {}).get("message", "")))
            found += outcome.result.get(kind, ())
            cursor = outcome.result.get("nextCursor")
            if cursor is None:
                break
            params = {"cursor": cursor}
        return found


def _for_a_page(answer: Any) -> Any:
    """The answer, with "?" for each half of a surrogate pair: JSON can carry it, and no page."""
    return json.loads(json.dumps(answer, ensure_ascii=False).encode("utf-8", "replace"))


class ListRefused(Exception):
    """The server gives no list; the text is its reason."""
