"""The page on which a user sees which programs may act in their name, and ends that.

Also where personal access tokens are made: shown once, in the answer to the form and nowhere else.
What such a token may be is `forms`.
"""

from __future__ import annotations

from typing import Any

from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.views.decorators.csrf import csrf_protect
from django.views.decorators.http import require_GET, require_POST

from . import cimd, conf, personal, resources
from .addresses import site_of
from .connecting import disconnect
from .discretion import discreet
from .forms import TokenForm
from .models import Connection, PersonalToken
from .pages import page


@require_GET
@login_required
def connections(request: HttpRequest) -> HttpResponse:
    """What the user has allowed."""
    return _page(request)


@require_POST
@csrf_protect
@login_required
def end(request: HttpRequest) -> HttpResponse:
    """End one connection, or one personal token, of the user's own."""
    kind, _, key = request.POST.get("what", "").partition(":")
    if not key.isdecimal() or len(key) > 18:
        raise Http404
    if kind == "connection":
        owned = Connection.objects.filter(user=request.user.pk, pk=key).first()
        if owned is None:
            raise Http404
        disconnect(owned)
    elif kind == "token":
        if not personal.end(PersonalToken.objects.filter(user=request.user.pk, pk=key)):
            raise Http404
    else:
        raise Http404
    return redirect("django_mcp_oauth:connections")


@require_POST
@csrf_protect
@login_required
@discreet
def make_token(request: HttpRequest) -> HttpResponse:
    """Make a personal token, and show it."""
    if not conf.get().personal_tokens:
        raise Http404
    form = TokenForm(resources.every(site_of(request)), request.POST)
    if not form.is_valid():
        return _page(request, form=form, status=400)
    token, secret = personal.issue(request.user, **form.cleaned_data)
    return _page(request, secret=secret, made=token)


def _page(
    request: HttpRequest,
    *,
    form: TokenForm | None = None,
    secret: str | None = None,
    made: PersonalToken | None = None,
    status: int = 200,
) -> HttpResponse:
    options = conf.get()
    now = timezone.now()
    live = Connection.objects.filter(user=request.user.pk, revoked=None)
    every = resources.every(site_of(request))
    names = {each.url: each.title for each in every}
    tokens = PersonalToken.objects.filter(user=request.user.pk, revoked=None, expires__gt=now)
    context = {
        "connections": [
            {
                "row": each,
                "name": each.application.name or _("A program without a name"),
                "host": cimd.shown_host(each.application.client_id),
                "server": names.get(each.resource, each.resource),
                "words": _words(each.scopes),
            }
            for each in live.select_related("application")
        ],
        "tokens": [
            {
                "row": each,
                "server": names.get(each.resource, each.resource),
                "words": _words(each.scopes),
            }
            for each in tokens
        ],
        "form": (form or TokenForm(every)) if options.personal_tokens else None,
        "secret": secret,
        "made": made,
    }
    return page(request, "connections.html", context, status=status)


def _words(scopes: str) -> list[Any]:
    known = conf.get().scopes
    return [known.get(scope, scope) for scope in scopes.split()]
