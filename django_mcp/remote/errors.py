"""What keeps a project from a server before that is asked anything.

    ClientError                 of django_mcp.client
    └── RemoteError             the root of what is raised here
        ├── ServerUnknown       there is no such server, or it is switched off     .name
        ├── ServerIncomplete    its row lacks what it takes to connect             .name
        └── NotConnected        the user has not let the project in there yet      .name, .url
    OAuthError                  of django_mcp.client.auth
    └── AnswerUnknown           what came back belongs to nothing this user has begun

A message names the server, and holds no token and no secret.
"""

from __future__ import annotations

from urllib.parse import urlencode

from ..client import ClientError
from ..client.auth import OAuthError


class RemoteError(ClientError):
    """A server cannot be used as things are."""

    def __init__(self, name: str, message: str) -> None:
        super().__init__(message)
        self.name = name


class ServerUnknown(RemoteError):
    """No server has this name, or it is switched off."""


class ServerIncomplete(RemoteError):
    """The server's row lacks something, or something in it cannot be opened."""


class NotConnected(RemoteError):
    """The user has to let the project in first, or once more.

    `url` is the page on which that begins, below the host of the project; "" where the URLs of the
    app are not included.
    """

    def __init__(self, name: str, url: str) -> None:
        super().__init__(name, f"The user is not connected to the server {name!r}.")
        self.url = url

    def url_to(self, target: str) -> str:
        """The same page, from which the user comes back to `target`, a path of this host."""
        return f"{self.url}?{urlencode({'next': target})}"


class AnswerUnknown(OAuthError):
    """What an authorization server sent back belongs to nothing that this user has begun in this
    browser, or to something that is over."""
