"""A Django form as the input of a tool.

Owns which fields of a form are asked for, how the arguments of a call become a bound form, and what
a caller is told of its errors. What one field is in JSON is `form_fields`; a form as a question,
`form_questions`.

The arguments are the fields by their names, without the form's prefix. A field that is left out has
its initial value, as a browser sends back what the page showed; null leaves it empty. Everything is
checked by the form, on the thread and in the transaction of the call.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any, Final

from asgiref.sync import sync_to_async
from django import forms
from django.core.exceptions import NON_FIELD_ERRORS, ObjectDoesNotExist
from django.forms.forms import BaseForm
from django.forms.formsets import BaseFormSet
from django.forms.models import BaseModelForm
from django.http import Http404
from django.utils.datastructures import MultiValueDict

from ..protocol import problems
from ..server import components
from ..server.components import Callee, Tool
from ..server.context import Context
from ..server.errors import InvalidArguments, NotFound, RegistrationError
from ..server.schemas import Arguments, check_json
from ..server.signatures import Parameter, Signature, inspect_function
from .form_fields import Property, describe

#: The parameters of a tool's function that are not the caller's.
OF_THE_FORM: Final = ("form", "cleaned_data")
_CONTEXT: Final = "context"

#: Makes the keyword arguments of a form beside its data, such as the user it is for.
FormKwargs = Callable[[Context], Mapping[str, Any]]


def properties(fields: Mapping[str, forms.Field]) -> dict[str, Property]:
    """The fields that callers may give, by name. What is disabled is not theirs."""
    return {name: describe(field) for name, field in fields.items() if not field.disabled}


def is_required(field: forms.Field) -> bool:
    """True where a caller has to give the field: nothing stands there otherwise."""
    return field.required and field.initial is None


def bind(make: Callable[..., Any], given: Mapping[str, Any]) -> Any:
    """The form that `make` makes, bound to `given`: values by field name that fields can clean.

    `make` is called twice, first without data for what stands in its fields.
    """
    blank = make()
    values = _values(blank, given)
    # Some forms look at their data while they are made, to choose what a field offers.
    form = make(data=_data(blank, values), files=_files(blank, given))
    _take_as_given(form, values)
    return form


def bind_again(blank: Any, given: Mapping[str, Any]) -> Any:
    """The same for a form that was made already, and is bound now."""
    values = _values(blank, given)
    blank.data, blank.files, blank.is_bound = _data(blank, values), _files(blank, given), True
    blank._errors = None
    _take_as_given(blank, values)
    return blank


def errors_of(form: BaseForm) -> dict[str, list[str]]:
    """What is wrong with a bound form: texts by field, those of the whole under ""."""
    return {
        "" if name == NON_FIELD_ERRORS else name: [str(text) for text in texts]
        for name, texts in form.errors.items()
    }


class _Given(forms.Widget):
    """Finds the value of a field as it was given, and not as a page would send it."""

    def __init__(self, *, several: bool) -> None:
        super().__init__()
        self._several = several

    def value_from_datadict(self, data: Any, files: Any, name: str) -> Any:
        return data.getlist(name) if self._several else data.get(name)


def _take_as_given(form: Any, values: Mapping[str, Any]) -> None:
    for name, field in form.fields.items():
        if not isinstance(field, forms.FileField):
            field.widget = _Given(several=isinstance(values.get(name), list))


def _values(blank: Any, given: Mapping[str, Any]) -> dict[str, Any]:
    """What stands in each field after `given` has been filled in; nothing for an empty one."""
    values: dict[str, Any] = {}
    for name, field in blank.fields.items():
        if isinstance(field, forms.FileField):
            continue
        if name in given:
            value = given[name]
        else:
            value = blank[name].value()
            if isinstance(field, forms.MultiValueField) and not isinstance(value, list):
                value = field.widget.decompress(value)
        if value is not None:
            values[name] = list(value) if isinstance(value, tuple | set | frozenset) else value
    return values


def _files(blank: Any, given: Mapping[str, Any]) -> MultiValueDict[str, Any]:
    """The files that were given."""
    files: MultiValueDict[str, Any] = MultiValueDict()
    for name, value in given.items():
        if value is not None and isinstance(blank.fields.get(name), forms.FileField):
            files[blank.add_prefix(name)] = value
    return files


def _data(form: Any, values: Mapping[str, Any]) -> MultiValueDict[str, Any]:
    data: MultiValueDict[str, Any] = MultiValueDict()
    for name, value in values.items():
        data.setlist(form.add_prefix(name), value if isinstance(value, list) else [value])
    return data


# ------------------------------------------------------------------------------------ as a tool


class FormArguments:
    """The arguments of a tool that is a form: its fields, and what the function takes besides."""

    def __init__(
        self,
        name: str,
        form: Any,
        parameters: tuple[Parameter, ...],
        signature: Signature,
        *,
        filled: bool,
    ) -> None:
        self._name = name
        self._rest = Arguments(replace(signature, parameters=parameters))
        self._properties = properties(form.base_fields)
        self._others = {parameter.name for parameter in parameters}
        if taken := self._others & form.base_fields.keys():
            raise RegistrationError(
                f"{sorted(taken)[0]!r} is a field of {form.__name__} and a parameter of "
                f"{signature.name}() as well: give the parameter another name."
            )
        rest = self._rest.input_schema
        fields = form.base_fields
        required = [
            *rest.get("required", ()),
            *(n for n in self._properties if not filled and is_required(fields[n])),
        ]
        schema: dict[str, Any] = {
            **rest,
            "properties": {
                **rest["properties"],
                **{name: found.schema for name, found in self._properties.items()},
            },
            "additionalProperties": False,
        }
        self.input_schema: dict[str, Any] = {
            **schema,
            **({"required": required} if required else {}),
        }

    def validate(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """Return what `FormTool` takes, or raise InvalidArguments with what has no right type."""
        check_json(self._name, arguments)
        wrong: list[str] = []
        given: dict[str, Any] = {}
        for name, value in arguments.items():
            if (found := self._properties.get(name)) is not None:
                try:
                    given[name] = None if value is None else found.read(value)
                except ValueError as error:
                    wrong.append(f"{name}: {error}")
            elif name not in self._others:
                known = self.input_schema["properties"]
                path = problems.path_of([name], arguments)
                wrong.append(f"{path}: {problems.unknown(name, known)}")
        others: dict[str, Any] = {}
        try:
            others = self._rest.validate({k: v for k, v in arguments.items() if k in self._others})
        except InvalidArguments as error:
            wrong.extend(error.problems)
        if wrong:
            raise InvalidArguments(self._name, wrong[: problems.MOST_PROBLEMS])
        return {"given": given, "others": others}


class FormTool:
    """Makes a form of the arguments of a call, has it validated, and calls the function."""

    def __init__(
        self,
        name: str,
        form: type[BaseForm],
        function: Signature,
        takes: tuple[str, ...],
        instance: Signature | None,
        form_kwargs: FormKwargs | None,
    ) -> None:
        self._name = name
        self._form = form
        self._function = function
        self._takes = takes
        self._instance = instance
        self._form_kwargs = form_kwargs

    def call(self, *, context: Context, given: dict[str, Any], others: dict[str, Any]) -> Any:
        """For a sync function: everything on one thread."""
        form = self._valid(context, given, others)
        return self._function.fn(**self._arguments(context, form, others))

    async def acall(
        self, *, context: Context, given: dict[str, Any], others: dict[str, Any]
    ) -> Any:
        """For an async one: the form has the thread of the call's own queries."""
        form = await sync_to_async(self._valid)(context, given, others)
        return await self._function.fn(**self._arguments(context, form, others))

    def _valid(self, context: Context, given: dict[str, Any], others: dict[str, Any]) -> Any:
        kwargs = dict(self._form_kwargs(context)) if self._form_kwargs is not None else {}
        if self._instance is not None:
            try:
                kwargs["instance"] = self._instance.fn(**_chosen(self._instance, context, others))
            except (ObjectDoesNotExist, Http404):
                raise NotFound(f"{self._name}: no instance") from None
        form = bind(partial(self._form, **kwargs), given)
        wrong = [f"{name}: is not asked for" for name in given if name not in form.fields]
        if not wrong and form.is_valid():
            return form
        for name, texts in errors_of(form).items():
            wrong.extend(f"{name}: {text}" if name else text for text in texts)
        raise InvalidArguments(self._name, wrong[: problems.MOST_PROBLEMS])

    def _arguments(self, context: Context, form: Any, others: dict[str, Any]) -> dict[str, Any]:
        own = {"form": form, "cleaned_data": form.cleaned_data}
        chosen = _chosen(self._function, context, others)
        return {**chosen, **{name: own[name] for name in self._takes}}


def _chosen(signature: Signature, context: Context, others: dict[str, Any]) -> dict[str, Any]:
    chosen = {parameter.name: others[parameter.name] for parameter in signature.parameters}
    if signature.context_parameter is not None:
        chosen[signature.context_parameter] = context
    return chosen


def form_tool(
    function: Callable[..., Any],
    form: type[BaseForm],
    *,
    name: str | None = None,
    instance: Callable[..., Any] | None = None,
    form_kwargs: FormKwargs | None = None,
    **options: Any,
) -> Tool:
    """Build the tool that validates `form` and calls `function`.

    Raises RegistrationError for what is no form, and for a form or a function that does not fit.
    """
    _refuse(form, instance)
    takes = tuple(n for n in OF_THE_FORM if n in _parameters(function))
    if not takes:
        raise RegistrationError(
            f"{getattr(function, '__name__', function)}() takes neither `form`, the valid form, "
            "nor `cleaned_data`: add one of the two as a parameter."
        )
    # What a partial binds is hidden from the caller.
    hidden = partial(function, **dict.fromkeys(takes))
    signature = inspect_function(hidden, context_type=Context, name=name)
    getter = None
    if instance is not None:
        getter = inspect_function(instance, context_type=Context, name="instance")
        if getter.is_async:
            raise RegistrationError(
                "instance= is a sync function: forms are, and share its thread."
            )
    own = {p.name: p for p in (getter.parameters if getter else ())}
    parameters = tuple({**own, **{p.name: p for p in signature.parameters}}.values())
    arguments = FormArguments(
        signature.name, form, parameters, signature, filled=instance is not None
    )
    built = components.tool(hidden, name=signature.name, arguments=arguments, **options)
    signature = replace(signature, fn=function)
    called = FormTool(signature.name, form, signature, takes, getter, form_kwargs)
    return replace(
        built,
        callee=Callee(
            function=called.acall if signature.is_async else called.call,
            is_async=signature.is_async,
            context=_CONTEXT,
        ),
    )


def _parameters(function: Callable[..., Any]) -> Mapping[str, Any]:
    try:
        return inspect.signature(function).parameters
    except (TypeError, ValueError):
        return {}


def _refuse(form: object, instance: object) -> None:
    if isinstance(form, type) and issubclass(form, BaseFormSet):
        raise RegistrationError(
            f"{form.__name__} is a formset, which is as many forms as there are rows: register the "
            "form itself, and have it called for each row."
        )
    if not isinstance(form, type) or not issubclass(form, BaseForm):
        raise RegistrationError(f"{form!r} is no form: give a class, as in @tool.form(LoanForm).")
    if instance is not None and not issubclass(form, BaseModelForm):
        raise RegistrationError(f"{form.__name__} is no ModelForm, and so has no instance=.")
