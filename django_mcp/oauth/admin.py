"""Pages of the admin: which clients there are and may be used, and what users have allowed.

Nothing is changed here by hand but whether a client may be used, and who somebody is whom an
identity provider knows; and nothing made but a client that speaks for a service account, where the
settings have those. No secret is kept, so none can be shown but in the answer to the form that
makes it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import admin, messages
from django.contrib.auth import get_user_model
from django.core.exceptions import PermissionDenied
from django.db.models import Field, QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext, pgettext_lazy

from . import conf, personal, resources, services
from .addresses import site_of
from .connecting import disconnect
from .forms import ServiceForm
from .linking import unlink
from .models import Client, Connection, ExternalIdentity, PersonalToken

if TYPE_CHECKING:
    ModelAdmin = admin.ModelAdmin[Any]  # A type knows of what; the class of Django does not.
else:
    ModelAdmin = admin.ModelAdmin


class ReadOnlyAdmin(ModelAdmin):
    """Rows that come about elsewhere."""

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return [field.name for field in self.opts.fields]


@admin.register(Client)
class ClientAdmin(ReadOnlyAdmin):
    """The clients, to be allowed or blocked; and to be made, for service accounts."""

    list_display = ("name", "status", "source", "created")
    list_filter = ("status", "application__registration_source")
    search_fields = ("application__name", "application__client_id")
    list_select_related = ("application",)
    actions = ("allow", "block")

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return conf.get().client_credentials and admin.ModelAdmin.has_add_permission(self, request)

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """A form for a client that speaks for a service account, and its secret, this once."""
        if not self.has_add_permission(request):
            raise PermissionDenied
        given = request.POST if request.method == "POST" else None
        form = ServiceForm(resources.every(site_of(request)), request.user, given)
        made, secret = None, ""
        if form.is_valid():
            made, secret = services.add(**form.cleaned_data)
            self.log_addition(request, made, [{"added": {}}])
        context = {
            **self.admin_site.each_context(request),
            **(extra_context or {}),
            "opts": self.opts,
            "title": _("Add a client for a service account"),
            "form": form,
            "made": made,
            "secret": secret,
        }
        template = "admin/django_mcp_oauth/client/add_form.html"
        status = 400 if form.errors else 200
        response = TemplateResponse(request, template, context, status=status)
        response["Cache-Control"] = "no-store"
        return response

    @admin.display(description=_("name"), ordering="application__name")
    def name(self, client: Client) -> str:
        return str(client.application)

    @admin.display(
        description=pgettext_lazy("how a client came here", "registered"),
        ordering="application__registration_source",
    )
    def source(self, client: Client) -> str:
        return str(client.application.get_registration_source_display())

    @admin.action(description=_("Allow selected clients"), permissions=["change"])
    def allow(self, request: HttpRequest, queryset: QuerySet[Client]) -> None:
        queryset.update(status=Client.Status.ALLOWED)

    @admin.action(description=_("Block selected clients"), permissions=["change"])
    def block(self, request: HttpRequest, queryset: QuerySet[Client]) -> None:
        """Their tokens are good for nothing from the next request on."""
        queryset.update(status=Client.Status.BLOCKED)


@admin.register(Connection)
class ConnectionAdmin(ReadOnlyAdmin):
    """What users have allowed, to be ended."""

    list_display = ("user", "application", "resource", "scopes", "used", "revoked")
    list_filter = ("resource", ("revoked", admin.EmptyFieldListFilter))
    search_fields = ("application__name", "resource")
    list_select_related = ("application", "user")
    actions = ("end",)

    @admin.action(description=_("End selected connections"), permissions=["change"])
    def end(self, request: HttpRequest, queryset: QuerySet[Connection]) -> None:
        for connection in queryset:
            disconnect(connection)


@admin.register(PersonalToken)
class PersonalTokenAdmin(ReadOnlyAdmin):
    """Personal tokens, to be ended."""

    list_display = ("user", "name", "shown", "resource", "scopes", "expires", "used", "revoked")
    list_filter = (("revoked", admin.EmptyFieldListFilter),)
    search_fields = ("name", "shown")
    list_select_related = ("user",)
    exclude = ("digest",)
    actions = ("end",)

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return [name for name in super().get_readonly_fields(request, obj) if name != "digest"]

    @admin.action(description=_("End selected tokens"), permissions=["change"])
    def end(self, request: HttpRequest, queryset: QuerySet[PersonalToken]) -> None:
        personal.end(queryset)


@admin.register(ExternalIdentity)
class ExternalIdentityAdmin(ModelAdmin):
    """Who is whom at identity providers, to be linked and unlinked."""

    list_display = ("subject", "issuer", "user", "created", "used")
    list_filter = ("issuer", ("user", admin.EmptyFieldListFilter))
    list_select_related = ("user",)
    raw_id_fields = ("user",)
    fields = ("issuer", "subject", "user", "created", "used")
    actions = ("unlink",)

    def get_search_fields(self, request: HttpRequest) -> Any:
        return ("=subject", "issuer", f"user__{get_user_model().USERNAME_FIELD}")

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        own = () if obj is None else ("issuer", "subject")
        return (*own, "created", "used")

    def formfield_for_dbfield(
        self, db_field: Field[Any, Any], request: HttpRequest, **kwargs: Any
    ) -> Any:
        if db_field.name == "issuer":
            issuers = [(issuer, issuer) for issuer in conf.get().identity_providers]
            return forms.ChoiceField(choices=issuers, label=db_field.verbose_name)
        return super().formfield_for_dbfield(db_field, request, **kwargs)

    @admin.action(description=_("Unlink selected identities"), permissions=["change"])
    def unlink(self, request: HttpRequest, queryset: QuerySet[ExternalIdentity]) -> None:
        """Nobody comes in by them from the next request on, and nothing links them by itself."""
        number = unlink(queryset)
        self.message_user(
            request, ngettext("%d unlinked.", "%d unlinked.", number) % number, messages.SUCCESS
        )
