"""The pages on which a user connects to other servers, and ends that.

Owns requests and answers: who may, where one goes on, and what is said when it fails. The steps are
`flow`'s. The views are async, for they wait for other machines, and are in no transaction: what
came of a request to one stays, whatever becomes of the page.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from http import HTTPStatus
from typing import Any, Final, TypeVar

from asgiref.sync import sync_to_async
from django.contrib.auth.decorators import login_not_required, login_required
from django.db import connections as databases
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from django.views.decorators.cache import cache_control
from django.views.decorators.csrf import csrf_protect
from django.views.decorators.debug import sensitive_variables
from django.views.decorators.http import (
    require_GET,
    require_http_methods,
    require_POST,
    require_safe,
)

from ..client import ClientError
from ..client.auth import OAuthError
from ..pages import page
from . import describing, ending, flow
from .models import Connection, RemoteServer, holder_of

V = TypeVar("V", bound=Callable[..., Any])

#: What a session of a browser has that no other one has.
BROWSER: Final = "django_mcp_remote"
#: Seconds for which an authorization server may keep the document that describes this project.
DOCUMENT_LASTS: Final = 3600
#: Characters of a URL to go on to.
LONGEST_TARGET: Final = 2000


def without_transactions(view: V) -> V:
    """The same view with no transaction around it, whatever ATOMIC_REQUESTS says."""
    view._non_atomic_requests = set(databases.settings)  # type: ignore[attr-defined]
    return view


@without_transactions
@require_GET
@login_required
async def connections(request: HttpRequest) -> HttpResponse:
    """The servers that users connect to, and which of them this user has."""
    user = await request.auser()
    rows = await sync_to_async(_servers_of)(user.pk)
    return await _page(request, "connections.html", {"rows": rows})


@without_transactions
@require_http_methods(["GET", "HEAD", "POST"])
@csrf_protect
@login_required
async def connect(request: HttpRequest, name: str) -> HttpResponse:
    """Ask the user whether to go to the authorization server, and then go there."""
    user = await request.auser()
    server = await sync_to_async(_server_called)(name)
    given = request.POST if request.method == "POST" else request.GET
    target = _target(request, given.get("next", ""))
    context = {"server": server, "target": target}
    if request.method != "POST":
        # Wherever the authorization server is: it is not known before it is asked for.
        anywhere = ["https:", "http:"]
        return await _page(request, "connect.html", context, form_action=anywhere)
    try:
        url = await flow.begin(
            server,
            user.pk,
            browser=await _browser(request),
            redirect_uri=describing.redirect_uri(request),
            target=target,
        )
    except (OAuthError, ClientError) as error:
        context["message"] = str(error)
        return await _page(request, "failed.html", context, status=HTTPStatus.BAD_GATEWAY)
    return HttpResponseRedirect(url)


# Whoever is logged out meanwhile is not sent to log in with the code of the answer in a URL.
@without_transactions
@login_not_required
@require_GET
@sensitive_variables("query")
async def callback(request: HttpRequest) -> HttpResponse:
    """Take the user back from the authorization server, and on to where they were going."""
    user = await request.auser()
    query = request.META.get("QUERY_STRING", "")
    browser = await request.session.aget(BROWSER, "")
    context: dict[str, Any] = {}
    try:
        attempt = await sync_to_async(flow.take)(user.pk, browser=browser, query=query)
        context = {"server": attempt.server, "target": attempt.target}
        await flow.finish(attempt, query)
    except OAuthError as error:
        context["message"] = str(error)
        return await _page(request, "failed.html", context, status=HTTPStatus.BAD_REQUEST)
    return HttpResponseRedirect(attempt.target)


@without_transactions
@require_POST
@csrf_protect
@login_required
async def disconnect(request: HttpRequest, name: str) -> HttpResponse:
    """End this user's connection to a server."""
    user = await request.auser()
    mine = Connection.objects.filter(server__name=name, holder=holder_of(user.pk))
    row = await mine.select_related("server", "registration").afirst()
    if row is None:
        raise Http404
    if await ending.disconnect([row]):
        return await _page(request, "disconnected.html", {"server": row.server})
    return redirect("django_mcp_remote:connections")


@without_transactions
@require_safe
@cache_control(public=True, max_age=DOCUMENT_LASTS)
@login_not_required
async def client(request: HttpRequest) -> HttpResponse:
    """Say who this project is as a client, to authorization servers that ask its client ID."""
    described = describing.document()
    if described is None:
        raise Http404
    return JsonResponse(described)


def _server_called(name: str) -> RemoteServer:
    servers = RemoteServer.objects.filter(authorization=RemoteServer.Authorization.USER)
    server = servers.filter(name=name, enabled=True).first()
    if server is None:
        raise Http404
    return server


def _servers_of(user_id: Any) -> list[dict[str, Any]]:
    """What the user sees: servers to connect to, and those that are connected though closed."""
    mine = {
        row.server_id: row
        for row in Connection.objects.filter(holder=holder_of(user_id)).select_related("server")
    }
    servers = RemoteServer.objects.filter(authorization=RemoteServer.Authorization.USER)
    shown = {server.pk: server for server in servers.filter(enabled=True)}
    shown |= {row.server_id: row.server for row in mine.values()}
    return [
        {
            "server": server,
            "connection": mine.get(server.pk),
            # What was got for another address is not used.
            "is_stale": server.pk in mine and mine[server.pk].url != server.url,
        }
        for server in sorted(shown.values(), key=lambda server: str(server).lower())
    ]


async def _browser(request: HttpRequest) -> str:
    """What this session has and no other; it stays when the session gets another key."""
    known = await request.session.aget(BROWSER)
    if not isinstance(known, str) or not known:
        known = secrets.token_urlsafe(32)
        await request.session.aset(BROWSER, known)
    return known


def _target(request: HttpRequest, given: str) -> str:
    """Where the user goes on: a page of this host, or the list of servers."""
    is_ours = url_has_allowed_host_and_scheme(
        given, allowed_hosts={request.get_host()}, require_https=request.is_secure()
    )
    is_kept = len(given) <= LONGEST_TARGET and given.isprintable()
    return given if is_ours and is_kept else reverse("django_mcp_remote:connections")


async def _page(
    request: HttpRequest, name: str, context: dict[str, Any], **options: Any
) -> HttpResponse:
    context.setdefault("title", _("Connections to other servers"))
    render = sync_to_async(page)  # Context processors may ask the database.
    return await render(request, f"django_mcp_remote/{name}", context, **options)
