"""How a question knows a form of Django's; `form_questions` is imported only when there is one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from asgiref.sync import sync_to_async
from django.forms.forms import BaseForm
from django.forms.formsets import BaseFormSet

if TYPE_CHECKING:
    from .form_questions import DjangoQuestion


class DjangoForms:
    """The kind of form that Django has."""

    def understands(self, spec: object) -> bool:
        kind = spec if isinstance(spec, type) else type(spec)
        return issubclass(kind, BaseForm | BaseFormSet)

    def asked(self, spec: Any) -> DjangoQuestion:
        """Raises UnaskableType for a form that a question cannot be."""
        from .form_questions import question_of

        return question_of(spec)

    async def aasked(self, spec: Any) -> DjangoQuestion:
        return await sync_to_async(self.asked)(spec)
