"""Who takes part in an authorization: a person with a browser, and a program that wants in.

Both speak HTTP with the site and nothing else; a test reads as what one of them does.
"""

from __future__ import annotations

import base64
import hashlib
import html
import json
import re
import secrets
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

from django.contrib.auth import get_user_model
from django.http import HttpResponse
from django.test import Client as Browser

HOST = "http://testserver"
MCP = f"{HOST}/mcp"
ISSUER = f"{HOST}/oauth"
CALLBACK = "http://127.0.0.1:5000/callback"


def parameters_of(response: HttpResponse) -> dict[str, str]:
    """The query of where a response redirects to, each parameter once."""
    query = parse_qs(urlsplit(response["Location"]).query, keep_blank_values=True)
    assert all(len(values) == 1 for values in query.values()), query
    return {name: values[0] for name, values in query.items()}


class Person:
    """Somebody with an account and a browser."""

    def __init__(self, name: str, *, logged_in: bool = True) -> None:
        self.user = get_user_model().objects.create_user(name, password="secret")
        self.browser = Browser(enforce_csrf_checks=True)
        if logged_in:
            self.browser.force_login(self.user)

    def open(self, query: Mapping[str, Any]) -> HttpResponse:
        """Follow a link to the authorization endpoint."""
        response: Any = self.browser.get("/oauth/authorize", query)
        return response

    def answer(
        self,
        page: HttpResponse,
        decision: str = "allow",
        *,
        scopes: list[str] | None = None,
        **changed: str,
    ) -> HttpResponse:
        """Press a button of the page; every box stays ticked unless `scopes` says otherwise."""
        text = page.content.decode()
        fields = dict(re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)"', text))
        data: dict[str, Any] = {name: html.unescape(value) for name, value in fields.items()}
        boxes = re.findall(r'name="scope" value="([^"]+)" checked>', text)
        data |= {"decision": decision, "scope": boxes if scopes is None else scopes, **changed}
        response: Any = self.browser.post("/oauth/authorize", data)
        return response

    def allow(self, query: Mapping[str, Any], **options: Any) -> dict[str, str]:
        """Go through it all, and return what the program is told."""
        page = self.open(query)
        assert page.status_code == 200, (page.status_code, page.content)
        return parameters_of(self.answer(page, **options))


class Program:
    """An OAuth client; `id` and `secret` once it is registered."""

    def __init__(self, redirect_uri: str = CALLBACK) -> None:
        self.redirect_uri = redirect_uri
        self.id = ""
        self.secret = ""
        self.verifier = secrets.token_urlsafe(48)
        self.http = Browser()

    @property
    def challenge(self) -> str:
        digest = hashlib.sha256(self.verifier.encode()).digest()
        return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()

    def register(self, **metadata: Any) -> Program:
        """Register as a public client; `metadata` replaces what it says of itself."""
        said = {
            "client_name": "A Program",
            "redirect_uris": [self.redirect_uri],
            "grant_types": ["authorization_code", "refresh_token"],
            "token_endpoint_auth_method": "none",
            **metadata,
        }
        response = self.register_as(said)
        assert response.status_code == 201, response.content
        told = response.json()
        self.id, self.secret = told["client_id"], told.get("client_secret", "")
        return self

    def register_as(self, said: Any, **headers: str) -> Any:
        body = said if isinstance(said, bytes) else json.dumps(said)
        return self.http.post("/oauth/register", body, content_type="application/json", **headers)

    def request(self, **changed: Any) -> dict[str, Any]:
        """The query it sends its user to the authorization endpoint with; None leaves one out."""
        query = {
            "response_type": "code",
            "client_id": self.id,
            "redirect_uri": self.redirect_uri,
            "state": "a state",
            "scope": "mcp:read mcp:write",
            "resource": MCP,
            "code_challenge": self.challenge,
            "code_challenge_method": "S256",
            **changed,
        }
        return {name: value for name, value in query.items() if value is not None}

    def redeem(self, code: str, **changed: Any) -> Any:
        """The answer of the token endpoint to a code."""
        return self.ask(
            grant_type="authorization_code",
            code=code,
            redirect_uri=changed.pop("redirect_uri", self.redirect_uri),
            code_verifier=changed.pop("code_verifier", self.verifier),
            **changed,
        )

    def refresh(self, token: str, **changed: Any) -> Any:
        """The answer of the token endpoint to a refresh token."""
        return self.ask(grant_type="refresh_token", refresh_token=token, **changed)

    def ask(self, path: str = "/oauth/token", headers: Any = None, **form: Any) -> Any:
        data = {"client_id": self.id, **({"client_secret": self.secret} if self.secret else {})}
        data |= form
        data = {name: value for name, value in data.items() if value is not None}
        encoded = "&".join(
            f"{name}={_quoted(each)}"
            for name, value in data.items()
            for each in (value if isinstance(value, list) else [value])
        )
        return self.http.post(
            path, encoded, content_type="application/x-www-form-urlencoded", headers=headers or {}
        )

    def connect(self, person: Person, **changed: Any) -> dict[str, Any]:
        """Register where that was not done, have the user consent, and redeem the code."""
        if not self.id:
            self.register()
        told = person.allow(self.request(**changed))
        response = self.redeem(told["code"])
        assert response.status_code == 200, response.content
        tokens: dict[str, Any] = response.json()
        return tokens


def _quoted(value: Any) -> str:
    return quote(str(value), safe="")
