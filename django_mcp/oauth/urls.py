"""The URLs of authorization. Include them at the root of the site:

    path("", include("django_mcp.oauth.urls"))

since clients look for documents below /.well-known of the host and nowhere else.
"""

from __future__ import annotations

from django.urls import path, re_path

from . import conf, connections, consent, metadata, registration, views

app_name = "django_mcp_oauth"

_BELOW = conf.below()

urlpatterns = [
    re_path(
        r"^\.well-known/oauth-protected-resource(?P<path>/.*)?$",
        metadata.protected_resource,
        name="protected-resource",
    ),
    re_path(
        r"^\.well-known/oauth-authorization-server(?P<path>/.*)?$",
        metadata.authorization_server,
        name="authorization-server",
    ),
    re_path(
        r"^\.well-known/openid-configuration/(?P<path>.+)$",
        metadata.openid_configuration,
    ),
    path(f"{_BELOW}/.well-known/openid-configuration", metadata.openid_configuration),
    path(f"{_BELOW}/jwks", metadata.jwks, name="jwks"),
    path(f"{_BELOW}/authorize", consent.authorize, name="authorize"),
    path(f"{_BELOW}/token", views.token, name="token"),
    path(f"{_BELOW}/revoke", views.revoke, name="revoke"),
    path(f"{_BELOW}/register", registration.register, name="register"),
    path(f"{_BELOW}/connections/", connections.connections, name="connections"),
    path(f"{_BELOW}/connections/end/", connections.end, name="end"),
    path(f"{_BELOW}/connections/tokens/", connections.make_token, name="make-token"),
]
