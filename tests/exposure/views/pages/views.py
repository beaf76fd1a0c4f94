"""The pages: functions and classes, of the kinds Django has."""

from __future__ import annotations

import asyncio
import datetime
import io
import json
from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.auth import authenticate
from django.contrib.auth.decorators import login_not_required, login_required, permission_required
from django.contrib.auth.models import Group
from django.core.exceptions import PermissionDenied, SuspiciousOperation
from django.db import transaction
from django.http import (
    FileResponse,
    Http404,
    HttpResponse,
    JsonResponse,
    StreamingHttpResponse,
)
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import translation
from django.views.decorators.cache import cache_page
from django.views.decorators.http import require_POST
from django.views.generic import (
    CreateView,
    DeleteView,
    DetailView,
    FormView,
    ListView,
    RedirectView,
    UpdateView,
    View,
)

from tests.conversations.database import write

PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 16


class Day:
    """A converter of the project's: a date in one word."""

    regex = "[0-9]{8}"

    def to_python(self, value: str) -> datetime.date:
        return datetime.datetime.strptime(value, "%Y%m%d").date()

    def to_url(self, value: datetime.date) -> str:
        return value.strftime("%Y%m%d")


class Wind:
    """A converter that makes more of a text than its pattern lets through."""

    regex = "(?:north|south)"

    def to_python(self, value: str) -> str:
        return value.strip().lower()

    def to_url(self, value: str) -> str:
        return value


def told(request: Any, **kwargs: Any) -> JsonResponse:
    """Tell what the view was asked.

    Args:
        number: How many.
        q: What to look for.
    """
    return JsonResponse(
        {
            "method": request.method,
            "path": request.path,
            "kwargs": {key: f"{type(value).__name__} {value}" for key, value in kwargs.items()},
            "query": dict(request.GET.lists()),
            "post": dict(request.POST.lists()),
            "body": request.body.decode(),
            "type": request.content_type,
        }
    )


def who(request: Any) -> JsonResponse:
    """Tell who asks, and from where."""
    match = request.resolver_match
    return JsonResponse(
        {
            "user": request.user.get_username(),
            "url": request.build_absolute_uri(),
            "secure": request.is_secure(),
            "address": request.META.get("REMOTE_ADDR"),
            "cookies": request.COOKIES,
            "headers": sorted(request.headers),
            "language": translation.get_language(),
            "match": [match.view_name, match.route],
            "tenant": getattr(request, "tenant", None),
            "principal": request.mcp_principal.id,
        }
    )


async def awho(request: Any) -> JsonResponse:
    """Tell who asks, on the loop."""
    user = await request.auser()
    assert asyncio.get_running_loop()
    return JsonResponse({"user": user.get_username(), "groups": await Group.objects.acount()})


async def agreet(request: Any) -> JsonResponse:
    """Greet whoever asks, after everybody has asked."""
    await asyncio.sleep(0)
    user = await request.auser()
    return JsonResponse({"user": user.get_username(), "host": request.get_host()})


def greet(request: Any) -> JsonResponse:
    """Greet whoever asks."""
    return JsonResponse({"user": request.user.get_username(), "host": request.get_host()})


def in_german(request: Any) -> HttpResponse:
    """Answer in another language."""
    translation.activate("de")
    return HttpResponse(translation.get_language(), content_type="text/plain")


def session(request: Any) -> JsonResponse:
    """Write to the session, and read it."""
    request.session["seen"] = request.session.get("seen", 0) + 1
    return JsonResponse({"seen": request.session["seen"], "key": request.session.session_key})


@login_required
def for_members(request: Any) -> HttpResponse:
    """Something for members."""
    return HttpResponse(f"Hello, {request.user}.", content_type="text/plain")


@permission_required("auth.change_group", raise_exception=True)
def for_editors(request: Any) -> HttpResponse:
    """Something for those who may change groups."""
    return HttpResponse("an editor", content_type="text/plain")


def open_by_default(request: Any) -> HttpResponse:
    """A page that nothing guards but the project's middleware."""
    return HttpResponse("in", content_type="text/plain")


@login_not_required
def open_to_all(request: Any) -> HttpResponse:
    """A page for everybody."""
    return HttpResponse("everybody is in", content_type="text/plain")


@cache_page(60)
def cached(request: Any) -> HttpResponse:
    """A page that is kept for the next who asks."""
    return HttpResponse(f"made for {request.user}", content_type="text/plain")


# Answers


def page(request: Any) -> HttpResponse:
    """A page of the site."""
    return render(request, "pages/page.html", {"rows": [("one", 1), ("two", 2)]})


def picture(request: Any) -> HttpResponse:
    """A picture."""
    return HttpResponse(PNG, content_type="image/png")


#: The files that `report` has opened.
opened: list[io.BytesIO] = []


def report(request: Any) -> FileResponse:
    """A file."""
    opened.append(io.BytesIO(b"%PDF-1.7"))
    return FileResponse(opened[-1], as_attachment=True, filename="../my report.pdf")


def export(request: Any) -> JsonResponse:
    """Data as a file."""
    headers = {"Content-Disposition": 'attachment; filename="all.json"'}
    return JsonResponse({"a": 1}, headers=headers)


def table(request: Any) -> HttpResponse:
    """A table as a file."""
    return HttpResponse(
        "a,b\n1,2\n",
        content_type="text/csv",
        headers={"Content-Disposition": 'attachment; filename="t.csv"'},
    )


def numbers(request: Any, pieces: int) -> StreamingHttpResponse:
    """Numbers, a line each."""
    return StreamingHttpResponse((f"{n}\n" for n in range(pieces)), content_type="text/plain")


async def anumbers(request: Any, pieces: int) -> StreamingHttpResponse:
    """Numbers, a line each, on the loop."""

    async def lines() -> Any:
        for number in range(pieces):
            yield f"{number}\n"

    return StreamingHttpResponse(lines(), content_type="text/plain")


def events(request: Any) -> StreamingHttpResponse:
    """Events without an end."""

    def forever() -> Any:
        while True:
            yield "data: x\n\n"

    return StreamingHttpResponse(forever(), content_type="text/event-stream")


def data(request: Any, what: str) -> HttpResponse:
    """JSON of several kinds."""
    if what == "broken":
        return HttpResponse("{not json", content_type="application/json")
    if what == "nan":
        return HttpResponse("[NaN]", content_type="application/json")
    found: Any = {"list": [1, 2], "text": "a text", "null": None, "object": {"a": 1}}[what]
    return JsonResponse(found, safe=False)


def status(request: Any, code: int) -> HttpResponse:
    """A status, and a body that is nobody's business."""
    if code == 204:
        return HttpResponse(status=204)
    headers = {"Retry-After": "7"} if code == 429 else {}
    return HttpResponse("<p>hush-hush</p>", status=code, headers=headers)


def problem(request: Any) -> JsonResponse:
    """What is wrong, as data."""
    return JsonResponse(
        {"errors": {"title": ["Is too long."], "tags": [{"word": "Is bad."}]}}, status=422
    )


def raising(request: Any, kind: str) -> HttpResponse:
    """Raise."""
    if kind == "missing":
        raise Http404("hush-hush")
    if kind == "denied":
        raise PermissionDenied("hush-hush")
    if kind == "suspicious":
        raise SuspiciousOperation("hush-hush")
    if kind == "lookup":
        raise LookupError("hush-hush")
    raise RuntimeError("hush-hush")


async def araising(request: Any) -> HttpResponse:
    """Raise, on the loop."""
    raise RuntimeError("hush-hush")


def moved(request: Any) -> HttpResponse:
    """Lead elsewhere."""
    messages.success(request, "It is done.")
    return redirect("page")


def moved_with_a_way_back(request: Any) -> HttpResponse:
    """Lead elsewhere, from where one can come back."""
    return redirect(f"/page/?back={request.path}")


@login_required(login_url="/elsewhere/", redirect_field_name="back")
def for_members_elsewhere(request: Any) -> HttpResponse:
    """Something for members of another site."""
    return HttpResponse("in", content_type="text/plain")


class MovedForGood(RedirectView):
    """Lead elsewhere, whatever is sent."""

    url = "/page/"
    permanent = True


# Forms and rows


class GroupForm(forms.ModelForm):
    size = forms.IntegerField(
        min_value=1, max_value=9, required=False, help_text="How many fit in."
    )
    colour = forms.ChoiceField(choices=[("r", "Red"), ("g", "Green")], initial="r", required=False)
    open = forms.BooleanField(required=False)
    kind = forms.CharField(initial="plain")

    class Meta:
        model = Group
        fields = ("name",)


class GroupCreate(CreateView):
    """Make a group."""

    model = Group
    form_class = GroupForm
    initial = {"size": 2}  # noqa: RUF012 - as Django has it
    template_name = "pages/form.html"
    success_url = "/page/"

    def form_valid(self, form: Any) -> HttpResponse:
        messages.info(self.request, json.dumps(form.cleaned_data, default=str))
        return super().form_valid(form)


class GroupUpdate(UpdateView):
    """Change a group."""

    model = Group
    fields = ("name", "permissions")
    template_name = "pages/form.html"
    success_url = "/page/"


class GroupDelete(DeleteView):
    """Delete a group."""

    model = Group
    template_name = "pages/form.html"
    success_url = "/page/"


class GroupList(ListView):
    """The groups."""

    model = Group
    ordering = "name"
    paginate_by = 2
    template_name = "pages/list.html"


class GroupDetail(DetailView):
    """One group."""

    model = Group
    template_name = "pages/detail.html"


class LoginForm(forms.Form):
    username = forms.CharField()
    password = forms.CharField(widget=forms.PasswordInput)

    def clean(self) -> None:
        if authenticate(**self.cleaned_data) is None:
            raise forms.ValidationError("Nobody is called that.")


class Login(FormView):
    """Log in."""

    form_class = LoginForm
    template_name = "pages/form.html"
    success_url = "/page/"


class Several(View):
    """Something with a method of each kind."""

    def get(self, request: Any) -> HttpResponse:
        return HttpResponse("got", content_type="text/plain")

    def put(self, request: Any) -> HttpResponse:
        return HttpResponse("put", content_type="text/plain")

    def delete(self, request: Any) -> HttpResponse:
        return HttpResponse(status=204)


@require_POST
def only_post(request: Any) -> HttpResponse:
    """Take what is posted."""
    return HttpResponse("posted", content_type="text/plain")


# Transactions, on the database in a file


def writes(request: Any, then: str) -> HttpResponse:
    """Write a row, and then go well, refuse or break."""
    write("sync")
    if then == "break":
        raise RuntimeError("hush-hush")
    return HttpResponse(status=409 if then == "refuse" else 204)


@transaction.non_atomic_requests(using="disk")
def writes_at_once(request: Any) -> HttpResponse:
    """Write a row for good, and break."""
    write("at once")
    raise RuntimeError("hush-hush")


@transaction.non_atomic_requests(using="disk")
async def async_beside_transactions(request: Any) -> HttpResponse:
    """An async view says that it has none."""
    return HttpResponse("fine", content_type="text/plain")


def group(request: Any, pk: int) -> JsonResponse:
    """A group."""
    found = get_object_or_404(Group, pk=pk)
    return JsonResponse({"name": found.name})
