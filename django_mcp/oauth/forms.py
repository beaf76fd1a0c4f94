"""What a personal token may be, whether it is made on the page or by the command."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from . import conf
from .personal import USUAL_DAYS
from .resources import Resource


class TokenForm(forms.Form):
    """What a personal token is for; `cleaned_data` is what `personal.issue` takes.

    `resources` are the endpoints that it may be for.
    """

    name = forms.CharField(label=_("Name"), max_length=100)
    resource = forms.ChoiceField(label=_("Server"))
    scopes = forms.MultipleChoiceField(
        label=_("It may"), required=False, widget=forms.CheckboxSelectMultiple
    )

    def __init__(self, resources: Sequence[Resource], *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._scopes = {each.url: each.scopes() for each in resources}
        scopes = {scope: words for each in self._scopes.values() for scope, words in each.items()}
        longest = conf.get().personal_token_days
        self.fields["resource"].choices = [(each.url, each.title) for each in resources]  # type: ignore[attr-defined]
        self.fields["scopes"].choices = list(scopes.items())  # type: ignore[attr-defined]
        self.fields["days"] = forms.IntegerField(
            label=_("Good for (days)"),
            min_value=1,
            max_value=longest,
            initial=min(USUAL_DAYS, longest),
        )

    def clean(self) -> dict[str, Any]:
        """No scope of another server's: it would promise what it does not give."""
        known = self._scopes.get(self.cleaned_data.get("resource", ""), {})
        foreign = [scope for scope in self.cleaned_data.get("scopes", ()) if scope not in known]
        if foreign and known:
            message = _("This server has no scope %(scopes)s.") % {"scopes": ", ".join(foreign)}
            self.add_error("scopes", message)
        return self.cleaned_data
