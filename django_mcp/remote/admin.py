"""Pages of the admin: which servers there are, whether they answer, and who is connected.

Secrets are written here and never shown. A server is tried out with a POST, in limited time; what
it says is text, whatever is in it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from asgiref.sync import async_to_sync
from django import forms
from django.contrib import admin, messages
from django.contrib.auth import get_user_model
from django.core.exceptions import PermissionDenied
from django.db.models import Count, QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, path, reverse
from django.utils.formats import date_format
from django.utils.html import format_html, format_html_join
from django.utils.timezone import is_aware, localtime
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext, pgettext_lazy
from django.views.decorators.http import require_POST

from . import conf
from .ending import disconnect
from .examining import examine
from .models import Connection, RemoteServer, Secrets
from .storage import tokens_in
from .views import without_transactions

if TYPE_CHECKING:
    _ServerAdmin = admin.ModelAdmin[RemoteServer]
    _ConnectionAdmin = admin.ModelAdmin[Connection]
    _ModelForm = forms.ModelForm[RemoteServer]
else:
    _ServerAdmin = _ConnectionAdmin = admin.ModelAdmin
    _ModelForm = forms.ModelForm

#: Servers that are tried out in one request, one after another.
MOST_TRIED: Final = 5
#: Connections that are ended in one request, side by side.
MOST_ENDED: Final = 50


class ServerForm(_ModelForm):
    """A server, with fields into which secrets are written and from which none is read."""

    headers = forms.CharField(
        label=_("Headers"),
        required=False,
        widget=forms.Textarea(attrs={"rows": 3, "autocomplete": "off", "spellcheck": "false"}),
    )
    environment = forms.CharField(
        label=_("Environment"),
        required=False,
        widget=forms.Textarea(attrs={"rows": 3, "autocomplete": "off", "spellcheck": "false"}),
    )
    token = forms.CharField(
        label=_("Token"),
        required=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password", "size": 60}),
    )
    client_secret = forms.CharField(
        label=_("Client secret"),
        required=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password", "size": 60}),
    )
    drop_secrets = forms.BooleanField(label=_("Forget the secrets that are kept"), required=False)

    class Meta:
        model = RemoteServer
        fields = (
            "name",
            "title",
            "enabled",
            "url",
            "command",
            "authorization",
            "scopes",
            "issuer",
            "client_id",
        )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._kept = self.instance.secrets
        self._sealed = self.instance.sealed
        for name, one in (("headers", "Name: value"), ("environment", "NAME=value")):
            names = ", ".join(getattr(self._kept, name))
            # Translators: %s is how a line is written: "Name: value".
            self.fields[name].help_text = _kept(names, _("%s on each line.") % one)
        for name in ("token", "client_secret"):
            self.fields[name].help_text = _kept("•••" if getattr(self._kept, name) else "", "")

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        before = Secrets() if cleaned.get("drop_secrets") else self._kept
        try:
            self.secrets = Secrets(
                headers=_pairs(cleaned.get("headers", ""), ":") or before.headers,
                environment=_pairs(cleaned.get("environment", ""), "=") or before.environment,
                token=cleaned.get("token") or before.token,
                client_secret=cleaned.get("client_secret") or before.client_secret,
            )
        except ValueError as error:
            raise forms.ValidationError(str(error)) from None
        return cleaned

    def _post_clean(self) -> None:
        # Here the instance gets its new values.
        super()._post_clean()  # type: ignore[misc]
        if self.errors:
            return
        kinds = RemoteServer.Authorization
        kind, given = self.instance.authorization, self.cleaned_data
        if kind == kinds.BEARER and not self.secrets.token:
            self.add_error("token", _("This field is required."))
        if kind == kinds.PROJECT and not self.secrets.client_secret:
            self.add_error("client_secret", _("This field is required."))
        if self._sealed and self.instance.secrets != self._kept and not given["drop_secrets"]:
            # They were given for another host. Nobody sends them elsewhere by changing a URL.
            self.add_error(
                "drop_secrets",
                _(
                    "The server is another one now, or its issuer is. Give its secrets anew, and"
                    " tick this box: those that are kept do not go there."
                ),
            )


def _kept(what: str, otherwise: Any) -> Any:
    if not what:
        return otherwise
    # Translators: %s is names of what is kept, or dots in place of a secret.
    return format_html("{} {}", _("Kept: %s. Leave this empty to keep it.") % what, otherwise)


def _pairs(text: str, separator: str) -> dict[str, str]:
    """Lines with a name and a value. Raises ValueError for one that has none."""
    found = {}
    for line in filter(str.strip, text.splitlines()):
        name, is_there, value = line.partition(separator)
        if not is_there or not name.strip():
            said = _("There is a line without a name and %(separator)r.")
            raise ValueError(said % {"separator": separator})
        found[name.strip()] = value.strip()
    return found


@admin.register(RemoteServer)
class RemoteServerAdmin(_ServerAdmin):
    """The servers, to be set up and tried out."""

    form = ServerForm
    change_form_template = "admin/django_mcp_remote/remoteserver/change_form.html"
    list_display = (
        "name",
        "title",
        "where",
        "authorization",
        "enabled",
        "number_of_tools",
        "state",
    )
    list_filter = ("enabled", "authorization")
    search_fields = ("name", "title", "url")
    actions = ("try_out",)
    readonly_fields = ("state", "says", "tools_shown", "connected")

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        where = ["url", "command"] if conf.get().allow_stdio else ["url"]
        secret = ["headers", "environment"] if conf.get().allow_stdio else ["headers"]
        sets: list[Any] = [
            (None, {"fields": ["name", "title", "enabled", *where, "authorization"]}),
            (_("OAuth"), {"fields": ["scopes", "issuer", "client_id", "client_secret"]}),
            (_("Secrets"), {"fields": ["token", *secret, "drop_secrets"]}),
        ]
        if not self._may_change(request, obj):
            # Fields of the form alone are there to be written.
            sets[1:] = [(_("OAuth"), {"fields": ["scopes", "issuer", "client_id"]})]
        if obj is not None:
            shown = ["state", "says", "connected", "tools_shown"]
            sets.insert(1, (_("What was seen"), {"fields": shown}))
        return sets

    def _may_change(self, request: HttpRequest, obj: Any) -> bool:
        if obj is None:
            return self.has_add_permission(request)
        return self.has_change_permission(request, obj)

    def get_queryset(self, request: HttpRequest) -> QuerySet[RemoteServer]:
        return super().get_queryset(request).annotate(connected_users=Count("connections"))

    def save_model(self, request: HttpRequest, obj: RemoteServer, form: Any, change: bool) -> None:
        if isinstance(form, ServerForm):
            obj.keep(form.secrets)
        super().save_model(request, obj, form, change)

    # What is shown

    @admin.display(description=_("host"))
    def where(self, server: RemoteServer) -> str:
        return server.host

    @admin.display(description=_("tools"))
    def number_of_tools(self, server: RemoteServer) -> str:
        return str(len(server.tools)) if server.tools_seen else ""

    @admin.display(description=pgettext_lazy("of a server", "state"))
    def state(self, server: RemoteServer) -> Any:
        if server.seen is None:
            return pgettext("state of a server", "not tried yet")
        return server.problem or pgettext("state of a server", "answers")

    @admin.display(description=_("what it says of itself"))
    def says(self, server: RemoteServer) -> str:
        return " · ".join(str(value) for value in server.info.values() if value)

    @admin.display(description=pgettext_lazy("how many users are", "connected"))
    def connected(self, server: Any) -> str:
        return str(server.connected_users)

    @admin.display(description=_("tools seen"))
    def tools_shown(self, server: RemoteServer) -> Any:
        if server.tools_seen is None:
            return ""
        rows = ((tool["name"], tool["title"], tool["description"]) for tool in server.tools)
        items = format_html_join("", "<p><strong>{}</strong> {}<br>{}</p>", rows)
        seen = server.tools_seen
        when = date_format(localtime(seen) if is_aware(seen) else seen, "DATETIME_FORMAT")
        return format_html("<div><p>{}</p>{}</div>", when, items)

    # Trying out

    @admin.action(description=_("Test the connection of selected servers"), permissions=["change"])
    def try_out(self, request: HttpRequest, queryset: QuerySet[RemoteServer]) -> None:
        servers = list(queryset[: MOST_TRIED + 1])
        for server in servers[:MOST_TRIED]:
            self._try(request, server)
        if len(servers) > MOST_TRIED:
            text = _("The first %d were tried; choose fewer.") % MOST_TRIED
            self.message_user(request, text, messages.WARNING)

    def try_one(self, request: HttpRequest, pk: int) -> HttpResponse:
        """The button on the page of a server."""
        server = self.get_object(request, str(pk))
        if server is None:
            raise Http404
        if not self.has_change_permission(request, server):
            raise PermissionDenied
        self._try(request, server)
        page = f"{self.admin_site.name}:django_mcp_remote_remoteserver_change"
        return HttpResponseRedirect(reverse(page, args=[pk]))

    def _try(self, request: HttpRequest, server: RemoteServer) -> None:
        found = async_to_sync(examine)(server, request.user)
        level = messages.SUCCESS if found.worked else messages.ERROR
        text: Any = f"{server}: {found.text}"
        if found.connect_url:
            link = format_html(
                '<a href="{}">{}</a>', found.connect_url, pgettext("a button", "Connect")
            )
            text = format_html("{} {}", text, link)
        self.message_user(request, text, level)

    def get_urls(self) -> list[URLPattern]:
        view: Callable[..., Any] = require_POST(self.admin_site.admin_view(self.try_one))
        name = "django_mcp_remote_remoteserver_try"
        return [path("<int:pk>/try/", without_transactions(view), name=name), *super().get_urls()]


@admin.register(Connection)
class ConnectionAdmin(_ConnectionAdmin):
    """Who is connected to what, to be ended. To delete a row ends it as well."""

    list_display = ("holder_shown", "server", "issuer", "scopes", "created", "changed", "tokens")
    list_filter = ("server",)
    list_select_related = ("server", "user")
    fields = (
        "holder_shown",
        "server",
        "url",
        "issuer",
        "scopes",
        "wanted",
        "created",
        "changed",
        "expires",
        "tokens",
    )
    # In place of the action of that name which every model has.
    actions = ("delete_selected",)

    def has_add_permission(self, request: HttpRequest, *args: Any) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def get_search_fields(self, request: HttpRequest) -> tuple[str, ...]:
        return ("server__name", f"user__{get_user_model().USERNAME_FIELD}")

    @admin.display(description=_("whose"), ordering="holder")
    def holder_shown(self, connection: Connection) -> str:
        return str(connection.user or _("the project"))

    @admin.display(description=_("tokens"))
    def tokens(self, connection: Connection) -> Any:
        if tokens_in(connection) is None:
            return pgettext("tokens", "cannot be opened")
        return "•••" if not connection.renews else "••• ↻"

    @admin.action(description=_("End selected connections"), permissions=["delete"])
    def delete_selected(self, request: HttpRequest, queryset: QuerySet[Connection]) -> None:
        self._end(request, queryset)

    def delete_model(self, request: HttpRequest, obj: Connection) -> None:
        self._end(request, Connection.objects.filter(pk=obj.pk))

    def _end(self, request: HttpRequest, queryset: QuerySet[Connection]) -> None:
        rows = list(queryset.select_related("server", "user", "registration")[:MOST_ENDED])
        left = async_to_sync(disconnect)(rows)
        # Translators: of %(left)d the other server knows nothing.
        text = _("%(ended)d were ended; of these %(left)d here alone.")
        counts = {"ended": len(rows), "left": len(left)}
        self.message_user(request, text % counts, messages.WARNING if left else messages.SUCCESS)
