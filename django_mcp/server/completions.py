"""Completions: the functions that suggest values, and what they may return.

Two forms of function. One for a single argument, `@completion("prompt or template", "argument")`,
takes the typed text as its first parameter and, by name, any of the other arguments given so far.
One for the whole server, `@completion`, takes `(ref, argument, context)`, as the official SDK's.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import AsyncIterable, Callable, Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from ..protocol.types import CompleteRequestParams, Completion, PromptReference
from .access import AccessRule
from .components import Callee, callee
from .context import Context
from .errors import RegistrationError
from .signatures import inspect_function

if TYPE_CHECKING:
    from .exchange import Exchange

#: 2026-07-28, server/utilities/completion#completion-results.
MAX_VALUES: Final = 100


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ArgumentCompletion:
    """Suggests values for one argument of one prompt or template."""

    callee: Callee
    value: str
    others: frozenset[str]
    rule: AccessRule | None = None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ServerCompletion:
    """Suggests values for whatever nobody else completes."""

    callee: Callee
    rule: AccessRule | None = None


def argument_completion(
    function: Callable[..., Any], target: str, rule: AccessRule | None = None
) -> ArgumentCompletion:
    """Build the completion behind `function`; raises RegistrationError where its signature does
    not fit."""
    signature = inspect_function(function, context_type=Context)
    parameters = signature.parameters
    if not parameters:
        raise RegistrationError(
            f"{signature.name}() completes an argument of {target!r}, so it takes the text typed "
            "so far as its first parameter: (value: str)."
        )
    for parameter in parameters[1:]:
        if parameter.required:
            raise RegistrationError(
                f"{signature.name}(): {parameter.name!r} may not have been filled in yet, so it "
                f"needs a default: {parameter.name}: str | None = None."
            )
    return ArgumentCompletion(
        callee=_reading(callee(signature)),
        value=parameters[0].name,
        others=frozenset(parameter.name for parameter in parameters[1:]),
        rule=rule,
    )


def server_completion(
    function: Callable[..., Any], rule: AccessRule | None = None
) -> ServerCompletion:
    """Build the completion for a whole server; raises RegistrationError for a wrong signature."""
    parameters = inspect.signature(function).parameters
    if len(parameters) != 3:
        raise RegistrationError(
            f"{getattr(function, '__name__', function)!s}() completes for the whole server, so it "
            "takes (ref, argument, context); for one argument write "
            '@completion("prompt name or URI template", "argument").'
        )
    is_async = inspect.iscoroutinefunction(inspect.unwrap(function))
    made = _reading(Callee(function=function, is_async=is_async, context=None))
    return ServerCompletion(callee=made, rule=rule)


def _reading(made: Callee) -> Callee:
    """`made`, with what it suggests read where it runs: that may be a query not yet made."""
    function = made.function

    @functools.wraps(function)
    async def read_async(**given: Any) -> Completion:
        value = await function(**given)
        if isinstance(value, AsyncIterable):
            value = [item async for item in value]
        return as_completion(value)

    @functools.wraps(function)
    def read(**given: Any) -> Completion:
        return as_completion(function(**given))

    return replace(made, function=read_async if made.is_async else read)


async def complete(exchange: Exchange, params: CompleteRequestParams) -> Completion:
    """The suggestions for `params`, none where nobody completes this argument for the caller."""
    server, ref = exchange.server, params.ref
    target = ref.name if isinstance(ref, PromptReference) else ref.uri
    found = server.completions.get((target, params.argument.name))
    if found is not None and await exchange.allows(found.rule):
        return await _suggest(exchange, found, params)
    general = server.any_completion
    if found is not None or general is None or not await exchange.allows(general.rule):
        return Completion(values=[], total=0, has_more=False)
    names = list(inspect.signature(general.callee.function).parameters)
    given = dict(zip(names, (ref, params.argument, params.context), strict=True))
    completion: Completion = await general.callee.call(server.workers, None, given)
    return completion


async def _suggest(
    exchange: Exchange, found: ArgumentCompletion, params: CompleteRequestParams
) -> Completion:
    given = (params.context.arguments if params.context else None) or {}
    kwargs: dict[str, Any] = {name: given[name] for name in found.others & given.keys()}
    kwargs[found.value] = params.argument.value
    context = exchange.context if found.callee.context is not None else None
    completion: Completion = await found.callee.call(exchange.server.workers, context, kwargs)
    return completion


def as_completion(value: Any) -> Completion:
    """At most a hundred values, and whether there are more.

    Takes a Completion, any iterable of strings, or None; what is no string is written with str().
    """
    if isinstance(value, Completion):
        if len(value.values) <= MAX_VALUES:
            return value
        total = len(value.values) if value.total is None else value.total
        return Completion(values=value.values[:MAX_VALUES], total=total, has_more=True)
    if value is None:
        value = ()
    if isinstance(value, str) or not isinstance(value, Iterable):
        raise TypeError(f"A completion returns strings in a list, not {type(value).__name__}.")
    values = [item if isinstance(item, str) else str(item) for item in value]
    return Completion(
        values=values[:MAX_VALUES], total=len(values), has_more=len(values) > MAX_VALUES
    )
