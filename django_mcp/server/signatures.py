"""A function → what its caller supplies, and what the server hands in.

``inspect_function`` reads a function once, when it is registered, and refuses there what could not
be served later. What the parameters' types mean in JSON is ``schemas``; how a docstring is read is
``docstrings``; who calls the function, and on which thread, is ``components``.

A parameter whose annotation is the context type is injected. Every other parameter is one that the
caller supplies by name, so a function needs an annotation on each and may not take ``*args``,
``**kwargs`` or positional-only parameters.
"""

from __future__ import annotations

import functools
import inspect
import sys
import types
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Final, Union

from pydantic.fields import FieldInfo

from . import docstrings
from .errors import RegistrationError

MISSING: Final = inspect.Parameter.empty
"""Stands where there is no annotation and where there is no default."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """One parameter that the caller supplies.

    ``annotation`` is resolved and keeps its ``Annotated`` metadata; ``default`` is ``MISSING`` when
    the caller has to supply the parameter. ``description`` comes from the annotation, else from
    the docstring.
    """

    name: str
    annotation: Any
    default: Any = MISSING
    description: str | None = None

    @property
    def required(self) -> bool:
        if isinstance(self.default, FieldInfo):
            return self.default.is_required()
        return self.default is MISSING


@dataclass(frozen=True, slots=True, kw_only=True)
class Signature:
    """What the server knows of a function.

    ``fn`` is what to call, everything by keyword: ``parameters``, and the context as
    ``context_parameter`` if there is one. ``is_async`` says that calling it gives an awaitable.
    ``returns`` is the resolved return annotation or ``MISSING``.
    """

    fn: Callable[..., Any]
    name: str
    description: str | None
    parameters: tuple[Parameter, ...]
    context_parameter: str | None
    is_async: bool
    returns: Any


def inspect_function(
    fn: Callable[..., Any] | staticmethod[..., Any],
    *,
    context_type: type,
    reserved: Mapping[str, str] = types.MappingProxyType({}),
    name: str | None = None,
    raw: bool = False,
) -> Signature:
    """Return the signature of ``fn``, or raise RegistrationError saying what to change.

    ``reserved`` maps parameter names that may not be used to the reason. ``name`` is used in place
    of the function's own; a lambda and an object have none and need it.
    ``raw`` is for a function that brings its own JSON Schema: beside the context it takes one
    parameter, ``arguments: dict``, and gets the caller's whole object in it.
    Bound methods, ``functools.partial`` (what it binds is hidden from the caller), static methods
    and objects with ``__call__`` are functions too.
    """
    if isinstance(fn, staticmethod):
        fn = fn.__func__
    source = _source(fn)
    label = _label(fn, name)
    _refuse_unservable(fn, source, label)
    found = _signature(fn, label)
    bound = _bound_by_partials(fn)
    resolver = _Resolver(source, label, context_type)
    doc = docstrings.parse(_docstring(fn, source))

    parameters: list[Parameter] = []
    context_parameter: str | None = None
    for parameter in found.parameters.values():
        if parameter.name in bound:
            continue
        annotation = resolver.resolve(parameter.name, parameter.annotation)
        _refuse_kind(parameter, label)
        if _is_context(annotation, context_type):
            _refuse_second_context(context_parameter, parameter.name, label)
            context_parameter = parameter.name
            continue
        _refuse_parameter(parameter, label, reserved)
        text = _description(annotation, parameter.default) or doc.parameters.get(parameter.name)
        parameters.append(
            Parameter(
                name=parameter.name,
                annotation=annotation,
                default=parameter.default,
                description=text,
            )
        )
    if raw and [parameter.name for parameter in parameters] != ["arguments"]:
        raise RegistrationError(
            f"{label} has a JSON Schema of its own for its input, so it takes the whole object as "
            "one parameter: `arguments: dict`."
        )
    return Signature(
        fn=fn,
        name=name or _own_name(fn, label),
        description=doc.description,
        parameters=tuple(parameters),
        context_parameter=context_parameter,
        is_async=is_async_callable(fn),
        returns=resolver.resolve("return", found.return_annotation),
    )


def is_async_callable(fn: Callable[..., Any]) -> bool:
    """Whether calling ``fn`` gives an awaitable: also partials and objects with ``__call__``."""
    while isinstance(fn, functools.partial):
        fn = fn.func
    if inspect.iscoroutinefunction(fn):
        return True
    call = getattr(type(fn), "__call__", None)  # noqa: B004 - its kind is asked, not its presence
    return not inspect.isroutine(fn) and inspect.iscoroutinefunction(call)


# ------------------------------------------------------------------------ what stands behind a name


def _source(fn: Callable[..., Any]) -> Any:
    """The plain function that was written: its module and its ``<locals>`` resolve the hints."""
    while isinstance(fn, functools.partial):
        fn = fn.func
    if not inspect.isroutine(fn) and not inspect.isclass(fn) and not hasattr(fn, "__wrapped__"):
        fn = getattr(type(fn), "__call__", fn)  # noqa: B004 - the method is wanted, if there is one
    unwrapped = inspect.unwrap(fn, stop=lambda layer: hasattr(layer, "__signature__"))
    return getattr(unwrapped, "__func__", unwrapped)


def _label(fn: Callable[..., Any], name: str | None) -> str:
    """How a message names the function."""
    while isinstance(fn, functools.partial):
        fn = fn.func
    own = getattr(fn, "__qualname__", None) or type(fn).__qualname__
    label = name if name and "<lambda>" in own else own
    return f"{label.rpartition('<locals>.')[2]}()"


def _own_name(fn: Callable[..., Any], label: str) -> str:
    while isinstance(fn, functools.partial):
        fn = fn.func
    own = getattr(fn, "__name__", None)
    if not isinstance(own, str) or own == "<lambda>":
        kind = "a lambda" if own else f"a {type(fn).__name__} object"
        raise RegistrationError(
            f'{label} is {kind} and has no name of its own: give one, for example name="find_book".'
        )
    return own


def _docstring(fn: Callable[..., Any], source: Any) -> str | None:
    while isinstance(fn, functools.partial):
        fn = fn.func
    if inspect.isroutine(fn):
        return inspect.getdoc(fn)
    own = getattr(fn, "__dict__", {}).get("__doc__")  # what functools.update_wrapper leaves
    return own or source.__doc__ or type(fn).__doc__


def _signature(fn: Callable[..., Any], label: str) -> inspect.Signature:
    try:
        return inspect.signature(fn)
    except (TypeError, ValueError, NameError) as error:
        raise RegistrationError(
            f"{label} cannot be inspected ({error}): wrap it in a function written with `def`."
        ) from error


def _bound_by_partials(fn: Callable[..., Any]) -> set[str]:
    """Names given as keywords to a partial: a value the author fixed is not the caller's to set."""
    bound: set[str] = set()
    while isinstance(fn, functools.partial):
        bound.update(fn.keywords)
        fn = fn.func
    return bound


# ------------------------------------------------------------------------------- what is refused


def _refuse_unservable(fn: Any, source: Any, label: str) -> None:
    if not callable(fn):
        remedy = (
            "register it from the class it belongs to, as Class.method"
            if isinstance(fn, classmethod)
            else "register a function"
        )
        raise RegistrationError(f"{fn!r} cannot be called: {remedy}.")
    if inspect.isclass(fn):
        raise RegistrationError(f"{label} is a class: register a function that returns one.")
    if inspect.isgeneratorfunction(source) or inspect.isasyncgenfunction(source):
        raise RegistrationError(
            f"{label} is a generator: return the finished value in one piece, and report on the "
            "way with `await ctx.report_progress(…)`."
        )


def _refuse_kind(parameter: inspect.Parameter, label: str) -> None:
    kind = parameter.kind
    if kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
        raise RegistrationError(
            f"{label} takes `{parameter}`, which has no schema: name each parameter, for example "
            "`book_id: int`, or take one `options: dict[str, str]`."
        )
    if kind is parameter.POSITIONAL_ONLY:
        raise RegistrationError(
            f"Parameter `{parameter.name}` of {label} is positional-only, but arguments come by "
            "name: remove the `/`."
        )


def _refuse_second_context(first: str | None, second: str, label: str) -> None:
    if first is not None:
        raise RegistrationError(
            f"{label} asks for the context twice, as `{first}` and `{second}`: one is enough."
        )


def _refuse_parameter(
    parameter: inspect.Parameter, label: str, reserved: Mapping[str, str]
) -> None:
    name = parameter.name
    if parameter.annotation is MISSING:
        remedy = (
            "it looks like a method taken from its class; register the method of an instance"
            if name in ("self", "cls")
            else f"add one, for example `{name}: {'int' if name.endswith('id') else 'str'}`"
        )
        raise RegistrationError(f"Parameter `{name}` of {label} has no annotation: {remedy}.")
    if name.startswith("_"):
        raise RegistrationError(
            f"Parameter `{name}` of {label} starts with an underscore, which marks what is not for "
            f"callers: call it `{name.lstrip('_') or 'value'}`."
        )
    if name in reserved:
        raise RegistrationError(
            f"Parameter `{name}` of {label} has a reserved name: {reserved[name]}. Rename it."
        )


# ------------------------------------------------------------------------------------ annotations


class _Resolver:
    """Evaluates the annotations of one function.

    A name is looked for where Python would: the enclosing functions and classes (still on the stack
    while a decorator runs, else in the closure), then the module. The context type answers to its
    own name when nobody else does, so that it may be imported under ``TYPE_CHECKING``.
    """

    def __init__(self, source: Any, label: str, context_type: type) -> None:
        self._label = label
        self._globals: dict[str, Any] = getattr(source, "__globals__", {})
        self._locals = {context_type.__name__: context_type}
        if context_type.__name__ in self._globals:
            self._locals.clear()
        self._locals.update(_enclosing_names(source))

    def resolve(self, parameter: str, annotation: Any) -> Any:
        """Return ``annotation`` with every forward reference replaced by what it names."""
        if annotation is MISSING:
            return MISSING
        holder = types.SimpleNamespace(__annotations__={parameter: annotation})
        try:
            hints = typing.get_type_hints(
                holder, globalns=self._globals, localns=self._locals, include_extras=True
            )
        except NameError as error:
            remedy = (
                "import it in the module itself, not only under `if TYPE_CHECKING`, or define it "
                "above the function"
            )
            raise self._error(parameter, annotation, error, remedy) from error
        except (TypeError, SyntaxError, AttributeError) as error:
            raise self._error(parameter, annotation, error, "write a type") from error
        resolved = hints[parameter]
        return None if resolved is type(None) else resolved

    def _error(
        self, parameter: str, annotation: Any, error: Exception, remedy: str
    ) -> RegistrationError:
        what = (
            "The return annotation" if parameter == "return" else f"The annotation of `{parameter}`"
        )
        text = annotation if isinstance(annotation, str) else inspect.formatannotation(annotation)
        return RegistrationError(
            f"{what} in {self._label}, `{text}`, cannot be resolved ({error}): {remedy}."
        )


def _enclosing_names(source: Any) -> dict[str, Any]:
    """The names in the functions and classes around ``source``; an inner one hides an outer."""
    names: dict[str, Any] = {}
    qualname: str = getattr(source, "__qualname__", "")
    frame = sys._getframe(1)
    layers: list[Mapping[str, Any]] = []
    while "." in qualname and frame is not None:
        inside = qualname.startswith(frame.f_code.co_qualname + ".")
        if inside and frame.f_globals is getattr(source, "__globals__", None):
            layers.append(frame.f_locals)
        if frame.f_back is None:
            break
        frame = frame.f_back
    for layer in reversed(layers):
        names.update(layer)
    code = getattr(source, "__code__", None)
    for name, cell in zip(
        code.co_freevars if code else (), getattr(source, "__closure__", None) or (), strict=True
    ):
        try:
            names[name] = cell.cell_contents
        except ValueError:  # not assigned yet
            continue
    return names


def _is_context(annotation: Any, context_type: type) -> bool:
    """Whether a parameter asks for the context: the type, ``| None``, ``Annotated``, a string."""
    origin = typing.get_origin(annotation)
    if origin is Annotated:
        return _is_context(typing.get_args(annotation)[0], context_type)
    if origin in (Union, types.UnionType):
        arms = [arm for arm in typing.get_args(annotation) if arm is not type(None)]
        return len(arms) == 1 and _is_context(arms[0], context_type)
    wanted = origin or annotation
    return inspect.isclass(wanted) and issubclass(wanted, context_type)


def _description(annotation: Any, default: Any) -> str | None:
    """The text an annotation carries: ``Field(description=…)``, a plain string or ``Doc(…)``."""
    if isinstance(default, FieldInfo) and default.description:
        return default.description
    if typing.get_origin(annotation) is not Annotated:
        return None
    found: str | None = None
    for item in typing.get_args(annotation)[1:]:
        if isinstance(item, FieldInfo):
            found = item.description or found
        elif isinstance(item, str):
            found = found or item.strip() or None
        elif isinstance(documentation := getattr(item, "documentation", None), str):
            found = found or documentation
    return found
