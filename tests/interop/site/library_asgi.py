"""The example project, for which `client.example` is a server that the tests have started.

Where that listens, and whose certificate it has, is in the environment: DOCUMENTS_PORT and
DOCUMENTS_CA. Everything else about how a document is fetched is as it always is.
"""

from __future__ import annotations

import os
import ssl

from django_mcp.oauth import fetching

from ..documents import HOST


async def resolve(host: str) -> list[str]:
    return ["127.0.0.1"] if host == HOST else []


def is_public(address: str) -> bool:
    return address == "127.0.0.1"


def tls() -> ssl.SSLContext:
    return ssl.create_default_context(cafile=os.environ["DOCUMENTS_CA"])


fetching.PORT = int(os.environ["DOCUMENTS_PORT"])  # type: ignore[misc] - final, but for this
fetching.resolve = resolve
fetching.is_public = is_public
fetching.tls = tls  # type: ignore[assignment]

from config.asgi import application  # noqa: E402 - the project is asked to fetch from here on

__all__ = ["application"]
