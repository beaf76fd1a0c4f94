"""Tokens of other authorization servers: identity providers such as Keycloak, Entra ID or Okta.

Another way in beside `tokens` and `personal`, as the verifier "django_mcp.oauth.external.verify"
(`verifying`). What a provider says is its signature (`signed`, by its `keys`) or its answer
(`introspection`), `asking` is all that opens a connection, `claims` says what a token must be to
be good here, and `identities` whom it lets in. Which providers there are is the setting's
(`identity_providers`).
"""

from .verifying import verify

__all__ = ["verify"]
