"""The other side of a conversation without a network: what is asked, and what is answered."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl

import httpx

from django_mcp.client.auth.steps import Reply, Steps, T

#: What a site says where it has nothing.
NOT_FOUND = 404


def play(steps: Steps[T], answers: Mapping[str, object]) -> tuple[T, list[httpx.Request]]:
    """Run `steps` against `answers`: what it came to, and the requests it made.

    Each URL is answered with a JSON object, a status, a pair of both, or bytes; a URL that is not
    there with 404.
    """
    asked: list[httpx.Request] = []
    try:
        request = next(steps)
        while True:
            asked.append(request)
            url = str(request.url)
            request = steps.send(reply(url, answers.get(url, NOT_FOUND)))
    except StopIteration as finished:
        return finished.value, asked


def reply(url: str, answer: object) -> Reply:
    status, body = answer if isinstance(answer, tuple) else (200, answer)
    if isinstance(body, int):
        status, body = body, b"nothing here"
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Reply(url=url, status=status, body=content)


def form(request: httpx.Request) -> dict[str, str]:
    """The fields of a form that was sent."""
    return dict(parse_qsl(request.content.decode(), keep_blank_values=True, strict_parsing=True))


def urls(asked: list[httpx.Request]) -> list[str]:
    return [str(request.url) for request in asked]


def server_metadata(issuer: str = "https://auth.example", /, **changes: Any) -> dict[str, Any]:
    """What an authorization server says of itself; a change to None leaves the field out."""
    base = issuer.rstrip("/")
    metadata = {
        "issuer": issuer,
        "authorization_endpoint": f"{base}/authorize",
        "token_endpoint": f"{base}/token",
        "registration_endpoint": f"{base}/register",
        "code_challenge_methods_supported": ["S256"],
        "token_endpoint_auth_methods_supported": ["none"],
        **changes,
    }
    return {name: value for name, value in metadata.items() if value is not None}


def resource_metadata(resource: str = "https://mcp.example/mcp", **changes: Any) -> dict[str, Any]:
    """What a server says of itself."""
    return {
        "resource": resource,
        "authorization_servers": ["https://auth.example"],
        **changes,
    }
