"""An object's own validation → lines that a calling model can correct itself from.

A form shows what is wrong by field, and what it does not show is none of its fields. So it is here:
a message of an exposed field is told, one of a field or a constraint that the caller does not see
becomes a general one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final

from django.core.exceptions import NON_FIELD_ERRORS, ValidationError
from django.db import models

from .selection import Selection

#: What is said where the words for it are not the caller's to read.
CONFLICT: Final = "this does not go together with what is there already"
UNSEEN: Final = "something that cannot be set here is missing or not valid"
#: Letters of one message, and messages of one answer.
LONGEST: Final = 300
MOST: Final = 20


def problems_of(obj: Any, selection: Selection, unchanged: Iterable[str]) -> list[str]:
    """What is wrong with an object that is to be saved, a line for each thing.

    Fields that are `unchanged` are valid as they are, by themselves; together with the others,
    every field counts.
    """
    errors: dict[str, list[ValidationError]] = {}
    try:
        obj.full_clean(exclude=set(unchanged), validate_unique=False, validate_constraints=False)
    except ValidationError as error:
        errors = error.update_error_dict(errors)
    for check in (obj.validate_unique, obj.validate_constraints):
        try:
            check(exclude={name for name in errors if name != NON_FIELD_ERRORS})
        except ValidationError as error:
            errors = error.update_error_dict(errors)
    return lines_of(ValidationError(errors), selection) if errors else []


def lines_of(error: ValidationError, selection: Selection) -> list[str]:
    """What `error` says to somebody who sees `selection`, each line once."""
    unspoken = set(_names_of_constraints(selection.model, selection))
    lines: dict[str, None] = {}
    for name, found in error.update_error_dict({}).items():
        for each in found:
            text = " ".join(each.messages)
            hidden = name != NON_FIELD_ERRORS and name not in selection
            if hidden and each.code not in ("unique", "unique_for_date"):
                lines.setdefault(UNSEEN)
            elif hidden or text in unspoken or not _fields_of(each) <= set(selection):
                lines.setdefault(CONFLICT)
            else:
                text = text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"
                lines.setdefault(text if name == NON_FIELD_ERRORS else f"{name}: {text}")
    shown = list(lines)
    return shown if len(shown) <= MOST else [*shown[:MOST], f"and {len(shown) - MOST} more"]


def _fields_of(error: ValidationError) -> set[str]:
    """The fields that a message of Django's about something unique speaks of."""
    params = error.params or {}
    if error.code == "unique_together":
        return set(params.get("unique_check", ()))
    if error.code == "unique_for_date":
        return {params[key] for key in ("field", "date_field") if key in params}
    return set()


def _names_of_constraints(model: type[models.Model], selection: Selection) -> Iterator[str]:
    """What is said of constraints that have no words of their own, only a name, and that ask for
    more than the caller sees."""
    for each in (model, *model._meta.all_parents):
        for constraint in each._meta.constraints:
            own = constraint.violation_error_message
            if own == constraint.default_violation_error_message:
                fields = _asked_by(constraint)
                if fields is None or not fields <= set(selection):
                    yield str(constraint.get_violation_error_message())


def _asked_by(constraint: Any) -> set[str] | None:
    """The fields a constraint looks at; None where that is not known."""
    if isinstance(constraint, models.CheckConstraint):
        checked: Any = constraint.condition
        return set(getattr(checked, "referenced_base_fields", ("?",)))
    if isinstance(constraint, models.UniqueConstraint) and not constraint.expressions:
        condition: Any = constraint.condition
        return {*constraint.fields, *(condition.referenced_base_fields if condition else ())}
    return None
