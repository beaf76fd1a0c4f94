"""What goes wrong while a client is authorized.

    OAuthError                        the common root
    ├── UnsafeURL                     nothing is sent to this URL   .url
    ├── RequestFailed                 no answer, or none that can be used   .url
    ├── DiscoveryError                no authorization server was found that could be trusted
    │   ├── MetadataNotFound          there is no document where one should be   .urls
    │   ├── MetadataInvalid           a document does not say what it must   .url
    │   └── ResourceMismatch          the document is about another server   .expected, .found
    ├── IssuerMismatch                another authorization server than expected   .expected, .found
    ├── RegistrationError             there is no client ID to use   .error
    ├── AuthorizationError            the user's part did not end in a code
    │   ├── InteractionRequired       a user is needed, and nobody can be asked   .challenge
    │   ├── AuthorizationRefused      the user or the authorization server said no   .error
    │   ├── AuthorizationTimeout      nobody answered in time
    │   └── StateMismatch             the answer belongs to another request
    ├── TokenRefused                  the token endpoint said no   .error
    ├── TokenRejected                 the server refuses a token it has just asked for
    └── InsufficientScope             the server asks for more than it is given   .scopes

A message says what is wrong, with the value, and what to do. None holds a token, a code, a secret
or a key, and what the other side wrote is cut, and left out where it repeats such a thing.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence


class OAuthError(Exception):
    """The root of what authorization raises."""


class UnsafeURL(OAuthError):
    """A URL was given or found that nothing may be sent to, `url`."""

    def __init__(self, message: str, *, url: str) -> None:
        super().__init__(message)
        self.url = url


class RequestFailed(OAuthError):
    """A request for authorization got no answer that can be used. Trying again later may help."""

    def __init__(self, message: str, *, url: str) -> None:
        super().__init__(message)
        self.url = url


class DiscoveryError(OAuthError):
    """The way from the server to its authorization server is broken."""


class MetadataNotFound(DiscoveryError):
    """None of `urls` has the document."""

    def __init__(self, message: str, *, urls: Sequence[str]) -> None:
        super().__init__(message)
        self.urls = tuple(urls)


class MetadataInvalid(DiscoveryError):
    """The document at `url` does not say what it must."""

    def __init__(self, message: str, *, url: str) -> None:
        super().__init__(message)
        self.url = url


class ResourceMismatch(DiscoveryError):
    """The metadata is about the resource `found`, and not about `expected`."""

    def __init__(self, *, expected: str, found: str) -> None:
        super().__init__(
            f"The protected resource metadata is about {found!r}, not about {expected!r}. Nothing"
            " is authorized with it. If that is the address the server is known by, connect to it"
            " there; otherwise its operator has to correct `resource`."
        )
        self.expected = expected
        self.found = found


class IssuerMismatch(OAuthError):
    """An answer comes from `found` where `expected` was asked; None where it says no issuer."""

    def __init__(self, message: str, *, expected: str, found: str | None) -> None:
        super().__init__(message)
        self.expected = expected
        self.found = found


class RegistrationError(OAuthError):
    """There is no client ID for this authorization server; `error` is its code, if it sent one."""

    def __init__(self, message: str, *, error: str = "") -> None:
        super().__init__(message)
        self.error = error


class AuthorizationError(OAuthError):
    """The user's part of the authorization did not end in a code."""


class InteractionRequired(AuthorizationError):
    """A user has to authorize the client, and nobody can be asked here.

    `challenge` is the server's `WWW-Authenticate`, for `Authorization.begin`; it may be empty.
    """

    def __init__(self, message: str, *, challenge: str = "") -> None:
        super().__init__(message)
        self.challenge = challenge


class AuthorizationRefused(AuthorizationError):
    """The authorization server sent the user back with `error` in place of a code."""

    def __init__(self, message: str, *, error: str) -> None:
        super().__init__(message)
        self.error = error


class AuthorizationTimeout(AuthorizationError):
    """The user was asked, and did not come back in time."""


class StateMismatch(AuthorizationError):
    """What came back does not belong to the request that was made."""


class TokenRefused(OAuthError):
    """The token endpoint answered with `error`, a code of RFC 6749 section 5.2, and `status`."""

    def __init__(self, message: str, *, error: str, status: int) -> None:
        super().__init__(message)
        self.error = error
        self.status = status


class TokenRejected(OAuthError):
    """The server answers 401 to a token that was obtained because of its own 401."""


class InsufficientScope(OAuthError):
    """The server still asks for `scopes` after the client was authorized for them."""

    def __init__(self, message: str, *, scopes: Collection[str]) -> None:
        super().__init__(message)
        self.scopes = tuple(scopes)
