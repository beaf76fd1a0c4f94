"""Functions whose parameters are only known when a model is exposed.

A tool is made of a function and its signature; these are given a signature made of parameters. What
is behind them takes the context and one dict, `given`, with what the caller sent.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ...server.context import Context
from ...server.signatures import MISSING
from .annotations import described


@dataclass(frozen=True, slots=True, kw_only=True)
class Argument:
    """One parameter: its annotation, what it is for, and its default unless it is required."""

    annotation: Any
    description: str = ""
    default: Any = MISSING


def function_of(
    body: Callable[[Context, dict[str, Any]], Any],
    name: str,
    description: str,
    arguments: Mapping[str, Argument],
    returns: Any,
) -> Callable[..., Any]:
    """A function called `name` that takes `arguments` by keyword and hands them to `body`."""

    def call(**given: Any) -> Any:
        return body(given.pop("_ctx"), given)

    parameters = [
        inspect.Parameter("_ctx", inspect.Parameter.KEYWORD_ONLY, annotation=Context),
        *(
            inspect.Parameter(
                each,
                inspect.Parameter.KEYWORD_ONLY,
                annotation=described(argument.annotation, description=argument.description),
                default=argument.default,
            )
            for each, argument in arguments.items()
        ),
    ]
    call.__name__ = call.__qualname__ = name
    call.__doc__ = description
    call.__signature__ = inspect.Signature(parameters, return_annotation=returns)  # type: ignore[attr-defined]
    return call
