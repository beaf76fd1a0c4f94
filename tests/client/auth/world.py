"""An MCP server that wants a token, its authorization server, and a user, all without a network.

`World` answers requests of httpx. What it is like is in its attributes, to be changed by a test:
which tokens it takes, which scopes it asks for, and documents or answers in place of its own.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx

from django_mcp.client.auth import Handlers, OAuth, Tokens
from django_mcp.client.auth.code_flow import code_challenge

from .playing import form, resource_metadata, server_metadata

SERVER = "https://mcp.example/mcp"
ISSUER = "https://auth.example"
REDIRECT_URI = "http://127.0.0.1:4711/callback"

Answer = Callable[[httpx.Request], Awaitable[httpx.Response]]


class World:
    """What there is. `log` has a line for each request, `forms` what token requests said."""

    def __init__(self) -> None:
        self.log: list[str] = []
        self.forms: list[dict[str, str]] = []
        self.registrations: list[dict[str, Any]] = []
        self.visits: list[dict[str, str]] = []
        #: The Authorization header of each request to the server; "" for none.
        self.sent: list[str] = []
        #: Access tokens that are taken, with their scopes.
        self.valid: dict[str, set[str]] = {}
        self.refresh_tokens: dict[str, set[str]] = {}
        self.required: set[str] = {"read"}
        self.issuer = ISSUER
        self.iss: str | None = ISSUER
        self.expires_in: float | None = 3600
        self.metadata: dict[str, Any] = {"authorization_response_iss_parameter_supported": True}
        #: Answers in place of the world's own, by URL.
        self.answers: dict[str, Answer] = {}
        self._codes: dict[str, dict[str, str]] = {}
        self._count = 0

    def http(self, **arguments: Any) -> httpx.AsyncClient:
        return httpx.AsyncClient(transport=httpx.MockTransport(self.handle), **arguments)

    async def handle(self, request: httpx.Request) -> httpx.Response:
        url = str(request.url.copy_with(query=None))
        self.log.append(f"{request.method} {url}")
        if url in self.answers:
            return await self.answers[url](request)
        match url.removeprefix(self.issuer):
            case "https://mcp.example/.well-known/oauth-protected-resource/mcp":
                return answer(resource_metadata(authorization_servers=[self.issuer]))
            case "/.well-known/oauth-authorization-server":
                return answer(server_metadata(self.issuer, **self.metadata))
            case "/register":
                self.registrations.append(json.loads(request.content))
                return answer({"client_id": f"client-{len(self.registrations)}"}, 201)
            case "/token":
                return self.token(request)
            case "https://mcp.example/mcp":
                return self.serve(request)
        return httpx.Response(404)

    # -------------------------------------------------------------------------- the MCP server

    def serve(self, request: httpx.Request) -> httpx.Response:
        header = request.headers.get("authorization", "")
        self.sent.append(header)
        token = header.removeprefix("Bearer ")
        if token not in self.valid:
            return self.challenge(401, scope=" ".join(sorted(self.required)))
        wanted = set(request.headers.get("x-wants", "").split()) | self.required
        if not wanted <= self.valid[token]:
            return self.challenge(403, error="insufficient_scope", scope=" ".join(sorted(wanted)))
        return answer({"result": request.content.decode()})

    def challenge(self, status: int, **parameters: str) -> httpx.Response:
        parts = ", ".join(f'{name}="{value}"' for name, value in parameters.items())
        return httpx.Response(status, headers={"www-authenticate": f"Bearer {parts}"})

    # ---------------------------------------------------------------- the authorization server

    def authorize(self, url: str) -> str:
        """Where the user is sent back to by the page at `url`, on which he agrees."""
        query = {name: value for name, [value] in parse_qs(urlsplit(url).query).items()}
        self.visits.append(query)
        self._count += 1
        code = f"code-{self._count}"
        self._codes[code] = query
        back = {"code": code, "state": query["state"], "iss": self.iss}
        filled = {name: value for name, value in back.items() if value is not None}
        return f"{query['redirect_uri']}?{urlencode(filled)}"

    def token(self, request: httpx.Request) -> httpx.Response:
        sent = form(request)
        self.forms.append(sent)
        match sent["grant_type"]:
            case "authorization_code":
                asked = self._codes.pop(sent["code"], None)
                if (
                    asked is None
                    or code_challenge(sent["code_verifier"]) != asked["code_challenge"]
                ):
                    return answer({"error": "invalid_grant"}, 400)
                return answer(self.tokens(set(asked.get("scope", "").split())))
            case "refresh_token":
                scopes = self.refresh_tokens.pop(sent["refresh_token"], None)
                if scopes is None:
                    return answer({"error": "invalid_grant"}, 400)
                return answer(self.tokens(scopes))
            case "client_credentials" | "urn:ietf:params:oauth:grant-type:jwt-bearer":
                return answer(self.tokens(set(sent.get("scope", "").split())))
        return answer({"error": "unsupported_grant_type"}, 400)

    def tokens(self, scopes: set[str]) -> dict[str, Any]:
        """New tokens, in the words of a token endpoint."""
        self._count += 1
        access, refresh = f"AT-{self._count}", f"RT-{self._count}"
        self.valid[access] = scopes
        self.refresh_tokens[refresh] = scopes
        given = {"access_token": access, "token_type": "Bearer", "refresh_token": refresh}
        return given | ({} if self.expires_in is None else {"expires_in": self.expires_in})

    def stored(self, *scopes: str, expires_at: float | None = None) -> Tokens:
        """Tokens from before, which are good for `scopes`."""
        given = self.tokens(set(scopes))
        return Tokens(
            access_token=given["access_token"],
            refresh_token=given["refresh_token"],
            expires_at=expires_at,
            requested_scopes=scopes,
            granted_scopes=scopes,
            issuer=self.issuer,
            resource=SERVER,
        )


class User(Handlers):
    """Somebody with a browser who says yes, and comes back to where he is sent."""

    def __init__(self, world: World) -> None:
        super().__init__(REDIRECT_URI, self._go, self._back)
        self.world = world
        self.arrived = ""

    async def _go(self, url: str) -> None:
        self.arrived = self.world.authorize(url)

    async def _back(self) -> str:
        return self.arrived


def answer(document: object, status: int = 200) -> httpx.Response:
    return httpx.Response(status, json=document)


def oauth(world: World, **arguments: Any) -> OAuth:
    """The authorization under test, whose requests go to `world`."""
    arguments = {"interaction": User(world), "http": world.http(), **arguments}
    return OAuth(SERVER, **arguments)
