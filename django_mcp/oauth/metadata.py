"""What clients read before they ask for anything: who issues tokens for an endpoint, and where.

RFC 9728 for each protected MCP endpoint, RFC 8414 for the authorization server, which is told in
the form of OpenID Connect Discovery as well, for clients that look there. It is told, too, where
hosts look that leave the issuer's path out. Any other path is a 404: a document about whatever is
asked for would vouch for it.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from django.http import Http404, HttpRequest, HttpResponse

from . import conf, resources
from .addresses import (
    Site,
    authorization_servers,
    endpoint_of,
    issuer_of,
    issuer_path,
    site_of,
)
from .http import cross_origin, document


@cross_origin("GET", "HEAD")
def protected_resource(request: HttpRequest, path: str | None = None) -> HttpResponse:
    """RFC 9728. `resource` repeats the URL the client made the document's of, letter by letter
    (section 3.3); without a path it is that of the endpoint that is meant where none is named."""
    site = site_of(request)
    if path:
        url = _url_at(site, path)
        found = resources.find(site, url)
    else:
        found = resources.only(site)
        url = found.url if found else ""
    if found is None:
        raise Http404("No protected MCP endpoint is there.")
    options = conf.get()
    return document(
        {
            "resource": url,
            "authorization_servers": authorization_servers(request),
            "scopes_supported": list(options.base_scopes),
            "bearer_methods_supported": ["header"],
            "resource_name": found.title,
        }
    )


@cross_origin("GET", "HEAD")
def authorization_server(request: HttpRequest, path: str | None = None) -> HttpResponse:
    """RFC 8414, where the URL was made of the issuer (section 3.1), and where hosts look besides.

    `issuer` is the same everywhere. Who compares it with the issuer they were told of (section 3.3)
    finds it equal; who has made one up of the URL refuses the document, as they would a 404.
    """
    path = (path or "").rstrip("/")
    if path != issuer_path() and not _is_looked_for_at(request, path):
        raise Http404("No authorization server is called that.")
    return document(_server(request))


def _is_looked_for_at(request: HttpRequest, path: str) -> bool:
    """True where hosts look that do not put the issuer's path into the URL.

    Without a path clients look up to 2025-03-26 (basic/authorization#authorization-base-url), and
    later ones that drop it; others put the endpoint's path there. All that they know is the
    endpoint's host, so it is theirs to find only if its tokens are issued here.
    """
    if issuer_of(request) not in authorization_servers(request):
        return False
    site = site_of(request)
    return not path or resources.find(site, _url_at(site, path)) is not None


@cross_origin("GET", "HEAD")
def openid_configuration(request: HttpRequest, path: str | None = None) -> HttpResponse:
    """The same in the form of OpenID Connect Discovery, whose readers miss what is not there."""
    if path is not None and f"/{path.strip('/')}" != issuer_path():
        raise Http404("No authorization server is called that.")
    more = {
        "jwks_uri": endpoint_of(request, "jwks"),
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": [],
    }
    return document({**_server(request), **more})


@cross_origin("GET", "HEAD")
def jwks(request: HttpRequest) -> HttpResponse:
    """No keys: nothing is signed here, tokens are opaque."""
    return document({"keys": []})


def _url_at(site: Site, path: str) -> str:
    """The URL that a client has made a document's of, whose own path goes on with `path`."""
    # Behind a proxy that adds a prefix, a client may have put that into the path.
    prefix = site.prefix
    below = path.removeprefix(prefix) if prefix and path.startswith(f"{prefix}/") else path
    return site.origin + quote(prefix + below, safe="/:@!$&'()*+,;=~-._")


def _server(request: HttpRequest) -> dict[str, Any]:
    options = conf.get()
    methods = ["none", "client_secret_basic", "client_secret_post"]
    content: dict[str, Any] = {
        "issuer": issuer_of(request),
        "authorization_endpoint": endpoint_of(request, "authorize"),
        "token_endpoint": endpoint_of(request, "token"),
        "revocation_endpoint": endpoint_of(request, "revoke"),
        "scopes_supported": [*options.scopes, conf.OFFLINE_ACCESS],
        "response_types_supported": ["code"],
        "response_modes_supported": ["query"],
        "grant_types_supported": list(conf.grants()),
        "token_endpoint_auth_methods_supported": methods,
        "revocation_endpoint_auth_methods_supported": methods,
        "code_challenge_methods_supported": ["S256"],
        "authorization_response_iss_parameter_supported": True,
        "client_id_metadata_document_supported": options.client_documents,
    }
    if options.registration != "off":
        content["registration_endpoint"] = endpoint_of(request, "register")
    return content
