"""What a personal token may be, whether it is made on the page or by the command; and a client that
speaks for a service account, which is made in the admin."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django import forms
from django.contrib.auth import get_user_model
from django.core.exceptions import ObjectDoesNotExist, ValidationError
from django.utils.translation import gettext_lazy as _

from ..permissions import has_every_right_of
from . import conf
from .personal import USUAL_DAYS
from .resources import Resource


class GrantForm(forms.Form):
    """A name for what is made, one of the endpoints `resources`, and scopes of that."""

    name = forms.CharField(label=_("Name"), max_length=100)
    resource = forms.ChoiceField(label=_("Server"))
    scopes = forms.MultipleChoiceField(
        # Translators: what follows is what a program may do: "Change things in your name".
        label=_("It may"),
        required=False,
        widget=forms.CheckboxSelectMultiple,
    )

    def __init__(self, resources: Sequence[Resource], *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._scopes = {each.url: each.scopes() for each in resources}
        scopes = {scope: words for each in self._scopes.values() for scope, words in each.items()}
        self.fields["resource"].choices = [(each.url, each.title) for each in resources]  # type: ignore[attr-defined]
        self.fields["scopes"].choices = list(scopes.items())  # type: ignore[attr-defined]

    def clean(self) -> dict[str, Any]:
        """No scope of another server's: it would promise what it does not give."""
        known = self._scopes.get(self.cleaned_data.get("resource", ""), {})
        foreign = [scope for scope in self.cleaned_data.get("scopes", ()) if scope not in known]
        if foreign and known:
            message = _("This server has no scope %(scopes)s.") % {"scopes": ", ".join(foreign)}
            self.add_error("scopes", message)
        return self.cleaned_data


class TokenForm(GrantForm):
    """What a personal token is for; `cleaned_data` is what `personal.issue` takes."""

    def __init__(self, resources: Sequence[Resource], *args: Any, **kwargs: Any) -> None:
        super().__init__(resources, *args, **kwargs)
        longest = conf.get().personal_token_days
        self.fields["days"] = forms.IntegerField(
            label=_("Good for (days)"),
            min_value=1,
            max_value=longest,
            initial=min(USUAL_DAYS, longest),
        )


class ServiceForm(GrantForm):
    """Whom a client speaks for; `cleaned_data` is what `services.add` takes.

    `staff` is who makes it, and gets no right by it: the user has none that they have not.
    """

    user = forms.CharField(label=_("Service account"), max_length=254, help_text=_("Its username."))

    field_order = ("name", "user", "resource", "scopes")

    def __init__(
        self, resources: Sequence[Resource], staff: Any, *args: Any, **kwargs: Any
    ) -> None:
        super().__init__(resources, *args, **kwargs)
        self._staff = staff

    def clean_user(self) -> Any:
        """The user of that name; the words are the same whether there is none, or they may not."""
        username = self.cleaned_data["user"]
        try:
            user = get_user_model()._default_manager.get_by_natural_key(username)
        except ObjectDoesNotExist:
            user = None
        if user is None or not user.is_active or not has_every_right_of(self._staff, user):
            raise ValidationError(
                _("There is no active user “%(name)s” all of whose rights you have."),
                params={"name": username},
            )
        return user
