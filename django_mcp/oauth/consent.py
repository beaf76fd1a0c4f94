"""The page on which a user allows a client something, and the answer the client gets of it.

Every authorization is asked for anew: what a request says of earlier ones is not heeded, and
neither is what the client's record says. What the page showed is what is granted: it comes back
sealed, for the same user in the same session, within ten minutes.

Errors go to the client once its redirect URI has been found to be one of its own; before that they
are shown here and lead nowhere. Every answer to a client names the issuer, so that it cannot take
it for another server's (RFC 9207).
"""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass
from typing import Any, Final, NoReturn

from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.views import redirect_to_login
from django.core import signing
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.utils.translation import gettext as _
from django.views.decorators.csrf import csrf_protect

from . import cimd, clients, conf, redirects, resources
from .addresses import issuer_of, site_of
from .connecting import connect
from .discretion import discreet
from .issuing import issue_code
from .models import Client, Connection
from .pages import page
from .resources import Resource
from .views import repeated_in

#: Base64 of a SHA-256 digest, without padding (RFC 7636, section 4.2).
CHALLENGE: Final = re.compile(r"[A-Za-z0-9_-]{43}")
#: Seconds for which a page that was shown may be answered.
SHOWN_FOR: Final = 600
#: The longest `state` that is carried.
LONGEST_STATE: Final = 2048

_SALT: Final = "django_mcp.oauth.consent"
_NONCE: Final = "django_mcp_oauth_nonce"


class Refused(Exception):
    """What a client is answered, at its redirect URI."""

    def __init__(self, error: str, description: str) -> None:
        super().__init__(description)
        self.error = error
        self.description = description


class Unanswerable(Exception):
    """What is shown to the user, since nobody knows where an answer would go."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A request for authorization that holds: what is shown to the user, and granted."""

    client: Client
    redirect_uri: str
    state: str | None
    resource: Resource
    scopes: tuple[str, ...]
    code_challenge: str


@csrf_protect
@login_not_required
@discreet
def authorize(request: HttpRequest) -> HttpResponse:
    """RFC 6749, section 3.1: GET shows the page, POST answers it."""
    try:
        if request.method == "GET":
            return _show(request)
        if request.method == "POST":
            return _answer(request)
    except Unanswerable as error:
        return page(request, "error.html", {"message": str(error)}, status=400)
    return HttpResponseNotAllowed(["GET", "POST"])


# ----------------------------------------------------------------------------------------- showing


def _show(request: HttpRequest) -> HttpResponse:
    prompts = request.GET.get("prompt", "").split()
    if not request.user.is_authenticated and "none" not in prompts:
        return redirect_to_login(request.get_full_path())
    if repeated := repeated_in(request.GET):
        raise Unanswerable(_("The request has “%s” more than once.") % repeated)
    client = _client(request)
    redirect_uri = _redirect_uri(request, client)
    state = request.GET.get("state")
    try:
        if state is not None and (len(state) > LONGEST_STATE or "\x00" in state):
            state = None
            raise Refused("invalid_request", "state is too long.")
        if not request.user.is_authenticated:
            raise Refused("login_required", "The user is not logged in.")
        if "none" in prompts:
            raise Refused("consent_required", "The user is asked each time.")
        asked = _asked(request, client, redirect_uri, state)
    except Refused as error:
        return _redirect(
            request,
            redirect_uri,
            state,
            error=error.error,
            error_description=error.description,
        )
    if "login" in prompts:
        query = request.GET.copy()
        query["prompt"] = " ".join(each for each in prompts if each != "login")
        return redirect_to_login(f"{request.path}?{query.urlencode()}")
    return _consent_page(request, asked)


def _client(request: HttpRequest) -> Client:
    client_id = request.GET.get("client_id", "")
    client = None
    if request.user.is_authenticated and cimd.is_document_url(client_id):
        # Fetched only for somebody who has logged in, so that nobody else sends this server out.
        try:
            client = cimd.client_of(client_id, user=request.user)
        except cimd.Unusable as error:
            raise Unanswerable(
                # Translators: %s is a reason in English, for whoever made the program.
                _("The document that describes this client cannot be used: %s") % error
            ) from None
    else:
        client = clients.known(client_id)
    if client is None:
        raise Unanswerable(_("No client of that name is registered here."))
    if client.status == Client.Status.PENDING:
        raise Unanswerable(_("This client has not been approved yet. Ask whoever runs this site."))
    if client.status != Client.Status.ALLOWED:
        raise Unanswerable(_("This client may not be used here."))
    return client


def _redirect_uri(request: HttpRequest, client: Client) -> str:
    registered = clients.redirect_uris_of(client)
    uri = request.GET.get("redirect_uri")
    if uri is None and len(registered) == 1:
        uri = registered[0]
    if uri is None or not redirects.matches(uri, registered):
        raise Unanswerable(_("The client asks for an answer to an address that is not its own."))
    return uri


def _asked(request: HttpRequest, client: Client, redirect_uri: str, state: str | None) -> Asked:
    given = request.GET
    if given.get("response_type") != "code":
        raise Refused("unsupported_response_type", "response_type must be code.")
    if given.get("response_mode", "query") != "query":
        raise Refused("invalid_request", "response_mode must be query.")
    if "request" in given:
        raise Refused("request_not_supported", "Send parameters, not a request object.")
    if "request_uri" in given:
        raise Refused("request_uri_not_supported", "Send parameters, not a request object.")
    if given.get("code_challenge_method") != "S256":
        raise Refused("invalid_request", "code_challenge_method must be S256.")
    challenge = given.get("code_challenge", "")
    if not CHALLENGE.fullmatch(challenge):
        raise Refused("invalid_request", "code_challenge must be 43 characters of Base64url.")
    resource = _resource(request)
    return Asked(
        client=client,
        redirect_uri=redirect_uri,
        state=state,
        resource=resource,
        scopes=_scopes(request, resource),
        code_challenge=challenge,
    )


def _resource(request: HttpRequest) -> Resource:
    """RFC 8707, section 2: the one that is named, or the only one there is."""
    named = request.GET.getlist("resource")
    if len(named) > 1:
        raise Refused("invalid_target", "A token is for one resource.")
    site = site_of(request)
    found = resources.find(site, named[0]) if named else resources.only(site)
    if found is None:
        raise Refused("invalid_target", "resource must be the URL of an MCP endpoint of this host.")
    return found


def _scopes(request: HttpRequest, resource: Resource) -> tuple[str, ...]:
    asked = dict.fromkeys(request.GET.get("scope", "").split())
    asked.pop(conf.OFFLINE_ACCESS, None)
    known = resource.scopes()
    for scope in asked:
        if scope not in known:
            raise Refused("invalid_scope", "A scope that was asked for does not exist here.")
    return tuple(asked) or tuple(conf.get().base_scopes)


def _consent_page(request: HttpRequest, asked: Asked) -> HttpResponse:
    application = asked.client.application
    words = asked.resource.scopes()
    base = set(conf.get().base_scopes)
    before = Connection.objects.filter(
        user=request.user.pk, application=application, resource=asked.resource.url, revoked=None
    ).first()
    context = {
        "sealed": _seal(request, asked),
        "client_name": _shown(application.name) or _("A program without a name"),
        "client_host": cimd.shown_host(application.client_id),
        "is_known": application.registration_source == "manual",
        "resource": asked.resource,
        "redirect_uri": asked.redirect_uri,
        "redirect_host": redirects.host_of(asked.redirect_uri),
        "is_loopback": redirects.is_loopback(asked.redirect_uri),
        "is_new": before is None,
        "scopes": [
            {
                "name": scope,
                "words": words[scope],
                "optional": scope not in base,
                "is_new": before is None or scope not in before.scopes.split(),
            }
            for scope in asked.scopes
        ],
        "hours": max(1, conf.get().access_token_seconds // 3600),
        "refreshes": asked.client.refreshes,
        "switch": redirect_to_login(request.get_full_path()).url,
    }
    return page(
        request,
        "authorize.html",
        context,
        form_action=[redirects.origin_of(asked.redirect_uri)],
    )


# --------------------------------------------------------------------------------------- answering


def _answer(request: HttpRequest) -> HttpResponse:
    if not request.user.is_authenticated:
        raise Unanswerable(_("You are not logged in any more. Start again in the program."))
    asked = _open(request)
    if request.POST.get("decision") != "allow":
        return _redirect(
            request,
            asked.redirect_uri,
            asked.state,
            error="access_denied",
            error_description="The user has said no.",
        )
    base = set(conf.get().base_scopes)
    ticked = set(request.POST.getlist("scope"))
    scopes = [scope for scope in asked.scopes if scope in base or scope in ticked]
    connection = connect(
        request.user,
        asked.client.application,
        asked.resource.url,
        scopes,
        redirects.host_of(asked.redirect_uri),
    )
    code = issue_code(
        connection=connection,
        redirect_uri=asked.redirect_uri,
        scopes=scopes,
        code_challenge=asked.code_challenge,
    )
    return _redirect(request, asked.redirect_uri, asked.state, code=code)


def _seal(request: HttpRequest, asked: Asked) -> str:
    return signing.dumps(
        {
            "for": [str(request.user.pk), _nonce(request)],
            "client": asked.client.application.client_id,
            "redirect_uri": asked.redirect_uri,
            "state": asked.state,
            "resource": asked.resource.url,
            "scopes": list(asked.scopes),
            "code_challenge": asked.code_challenge,
        },
        salt=_SALT,
        compress=True,
    )


def _open(request: HttpRequest) -> Asked:
    """What the page showed; raises Unanswerable for what this user was not shown just now."""
    try:
        sealed: dict[str, Any] = signing.loads(
            request.POST.get("request", ""), salt=_SALT, max_age=SHOWN_FOR
        )
    except signing.BadSignature:
        _start_again()
    if sealed["for"] != [str(request.user.pk), request.session.get(_NONCE)]:
        _start_again()
    client = clients.find(sealed["client"])
    resource = resources.find(site_of(request), sealed["resource"])
    if client is None or resource is None:
        _start_again()
    if not redirects.matches(sealed["redirect_uri"], clients.redirect_uris_of(client)):
        _start_again()
    return Asked(
        client=client,
        redirect_uri=sealed["redirect_uri"],
        state=sealed["state"],
        resource=resource,
        scopes=tuple(sealed["scopes"]),
        code_challenge=sealed["code_challenge"],
    )


def _start_again() -> NoReturn:
    raise Unanswerable(_("This page is no longer valid. Start again in the program."))


def _nonce(request: HttpRequest) -> str:
    """What tells this session from others of the same user; logging out ends it."""
    found = request.session.get(_NONCE)
    if not isinstance(found, str):
        found = request.session[_NONCE] = secrets.token_urlsafe(16)
    return found


def _redirect(
    request: HttpRequest, uri: str, state: str | None, **parameters: str
) -> redirects.Redirect:
    return redirects.Redirect(
        uri,
        after_post=request.method == "POST",
        **parameters,
        state=state,
        iss=issuer_of(request),
    )


def _shown(name: str) -> str:
    """A name for a page: on one line, and without characters that turn the text around."""
    return "".join(c for c in name if c.isprintable())[: clients.LONGEST_NAME].strip()
