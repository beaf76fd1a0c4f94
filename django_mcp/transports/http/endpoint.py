"""The MCP endpoint: one HTTP request, from its first header to the right era.

Reads as the list of what happens, in this order: the source is checked, a browser gets a page,
methods that are not served a 405, the caller is authenticated, media type and size are checked, the
body is read and parsed, and the message goes to the era that its version names. How a request is
turned away on its way there is `entrance`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from urllib.parse import quote

from ...protocol import jsonrpc, revisions
from ...protocol.envelope import is_enveloped
from ...protocol.headers import MCP_PROTOCOL_VERSION
from ...protocol.jsonrpc import Request
from ...protocol.revisions import Era
from . import landing, stateful, stateless
from .entrance import HttpEntrance, NotServed
from .guard import Address, accepts
from .types import Channel, Headers, HttpRequest


@dataclass(kw_only=True)
class Endpoint(HttpEntrance):
    """One server at one URL, over streamable HTTP."""

    async def serve(self, request: HttpRequest, channel: Channel) -> None:
        headers = request.headers
        address = self.guard.check_source(request)
        if request.method != "POST":
            await self._not_post(request, address, channel)
            return
        caller = await self.caller_of(request, address)
        self.guard.check_media(request)
        body = await self.read(request, channel)
        message = jsonrpc.parse(body, max_depth=self.max_depth)
        stay_of = partial(self.stay_of, request, address, caller)
        if (isinstance(message, Request) and is_enveloped(message)) or _says_stateless(headers):
            await stateless.serve(
                self.server, headers, caller, stay_of, message, channel, self.keep_alive
            )
        else:
            await stateful.post(self.server, headers, stay_of(), message, channel, self.keep_alive)

    async def _not_post(self, request: HttpRequest, address: Address, channel: Channel) -> None:
        method, accept = request.method, request.headers.get("accept", "")
        if self.server.sessions.keeps:
            if method == "DELETE":
                caller = await self.caller_of(request, address)
                await stateful.delete(self.server, request.headers, caller, channel)
                return
            if method == "GET" and request.streams and "text/event-stream" in accept.lower():
                caller = await self.caller_of(request, address)
                stay = self.stay_of(request, address, caller)
                await stateful.get(self.server, request.headers, stay, channel, self.keep_alive)
                return
        if method == "GET" and accepts(accept, "text/html"):
            url = address.origin + quote(request.path, safe="/", errors="replace")
            page = landing.page(self.server, url, self.language_of(request.headers))
            await channel.reply(200, landing.HEADERS, page)
            return
        raise NotServed(
            f"{method} is not served here: POST a JSON-RPC message.", self._methods(request)
        )

    def _methods(self, request: HttpRequest) -> str:
        """The methods the endpoint has, as the header Allow lists them."""
        if not self.server.sessions.keeps:
            return "POST"
        return "GET, POST, DELETE" if request.streams else "POST, DELETE"


def _says_stateless(headers: Headers) -> bool:
    """True where the header puts a message that carries no version into the era without sessions.

    One that names no revision is answered in the words of the newest.
    """
    version = headers.get(MCP_PROTOCOL_VERSION)
    if version is None:
        return False
    revision = revisions.find(version)
    return revision is None or revision.era is Era.STATELESS
