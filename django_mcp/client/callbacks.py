"""What the application behind a client answers: questions to its user, its model, its roots.

One set of functions serves both eras: what a server asks over a connection and what it asks inside
a result come here as the same values. Every function may be async or not.
"""

from __future__ import annotations

import inspect
import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from ..protocol import types as t
from ..protocol.errors import InternalError, MethodNotFound, ProtocolError
from ..protocol.types import WireModel

logger = logging.getLogger("django_mcp.client")

Elicited: TypeAlias = t.ElicitResult | Mapping[str, Any] | bool | None
Roots: TypeAlias = Iterable[t.Root | str]

OnElicit: TypeAlias = Callable[[t.ElicitRequestParams], Elicited | Awaitable[Elicited]]
OnSample: TypeAlias = Callable[
    [t.CreateMessageRequestParams],
    t.CreateMessageResult | str | Awaitable[t.CreateMessageResult | str],
]
OnRoots: TypeAlias = Callable[[], Roots | Awaitable[Roots]]
OnLog: TypeAlias = Callable[[t.LoggingMessageNotificationParams], Awaitable[None] | None]
OnProgress: TypeAlias = Callable[[t.ProgressNotificationParams], Awaitable[None] | None]
OnNotification: TypeAlias = Callable[[str, dict[str, Any]], Awaitable[None] | None]


class UserCancelled(Exception):
    """Raised by `on_elicit`: the user closed the question without deciding."""


async def result_of(value: Any) -> Any:
    """The value itself, or what it comes to."""
    return await value if inspect.isawaitable(value) else value


@dataclass(frozen=True, kw_only=True)
class Callbacks:
    """The functions of one client; what has none, the client does not offer to servers.

    `on_elicit` is given a form or a URL to visit. It returns the filled-in fields (what it leaves
    out gets the form's defaults), True to accept (a form with its defaults), None or False to
    decline, or a whole ElicitResult; it raises UserCancelled where the user did not decide.
    `elicit_modes` are the kinds of question it understands. `on_sample` returns what the model
    said, as a text or a whole result; `sample_tools` says that the model may be given tools.
    `roots` are file:// URIs, or a function that gives them. `extensions` are those the client
    speaks, with their settings (2026-07-28, basic/versioning#extension-negotiation).
    """

    on_elicit: OnElicit | None = None
    elicit_modes: tuple[str, ...] = ("form", "url")
    on_sample: OnSample | None = None
    sample_tools: bool = False
    roots: OnRoots | Roots | None = None
    on_log: OnLog | None = None
    on_progress: OnProgress | None = None
    on_notification: OnNotification | None = None
    extensions: Mapping[str, dict[str, Any]] | None = None

    def capabilities(self) -> t.ClientCapabilities:
        """What a server is told that it may ask for."""
        elicitation = None
        if self.on_elicit is not None:
            modes: dict[str, Any] = {mode: {} for mode in self.elicit_modes}
            elicitation = t.ElicitationCapability(**modes)
        sampling = None
        if self.on_sample is not None:
            sampling = t.SamplingCapability(tools={} if self.sample_tools else None)
        return t.ClientCapabilities(
            elicitation=elicitation,
            sampling=sampling,
            roots=None if self.roots is None else t.RootsCapability(list_changed=True),
            extensions=None if self.extensions is None else dict(self.extensions),
        )

    async def answer(self, method: str, params: WireModel | None) -> WireModel:
        """Answer what a server asks. Raises ProtocolError, which is what the server is told."""
        try:
            if method == "elicitation/create" and self.on_elicit is not None:
                return await self._elicit(params, self.on_elicit)
            if method == "sampling/createMessage" and self.on_sample is not None:
                return _sampled(await result_of(self.on_sample(params)))  # type: ignore[arg-type]
            if method == "roots/list" and self.roots is not None:
                return await self._list_roots(self.roots)
        except ProtocolError:
            raise
        except Exception:
            # The text may be about anything on this side, and the server is somebody else's.
            logger.exception("What answers %s failed", method)
            raise InternalError(f"The client could not answer {method}.") from None
        raise MethodNotFound(method)

    async def _elicit(self, params: Any, on_elicit: OnElicit) -> t.ElicitResult:
        if isinstance(params, t.ElicitRequestURLParams):
            mode, form = "url", None
        else:
            mode, form = "form", params.requested_schema
        if mode not in self.elicit_modes:
            raise ProtocolError(f"The client shows no questions of the mode {mode!r}.", code=-32602)
        try:
            answer = await result_of(on_elicit(params))
        except UserCancelled:
            return t.ElicitResult(action="cancel")
        if isinstance(answer, t.ElicitResult):
            return answer
        if answer is None or answer is False:
            return t.ElicitResult(action="decline")
        if form is None:
            return t.ElicitResult(action="accept")
        given = {} if answer is True else dict(answer)
        return t.ElicitResult(action="accept", content={**defaults_of(form), **given})

    async def _list_roots(self, roots: OnRoots | Roots) -> t.ListRootsResult:
        found = await result_of(roots()) if callable(roots) else roots
        return t.ListRootsResult(
            roots=[t.Root(uri=root) if isinstance(root, str) else root for root in found]
        )


@dataclass(frozen=True, kw_only=True)
class Behalf:
    """Somebody else than the client itself, for whom a request is sent.

    Their `callbacks` answer what the server asks because of it, and they are told what it says,
    from `log_level` on.
    """

    callbacks: Callbacks
    tell: OnNotification
    log_level: str | None = None


def defaults_of(form: t.RequestedSchema) -> dict[str, Any]:
    """What the fields of a form hold before the user touches it (2025-11-25,
    client/elicitation#requested-schema)."""
    return {
        name: field.default
        for name, field in form.properties.items()
        if getattr(field, "default", None) is not None
    }


def _sampled(answer: t.CreateMessageResult | str) -> t.CreateMessageResult:
    if isinstance(answer, str):
        return t.CreateMessageResult(
            role="assistant",
            content=t.TextContent(text=answer),
            model="unknown",
            stop_reason="endTurn",
        )
    return answer
