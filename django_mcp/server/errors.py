"""What the author of a tool, a resource or a prompt raises, and what he catches.

    MCPServerError                    the common root
    ├── ToolError                     its text reaches the caller, as a result with ``isError``
    │   ├── InvalidArguments          the arguments do not fit the tool   .problems
    │   ├── NoAnswer                  a question to the client was not answered
    │   └── TimedOut                  the function took longer than its tool allows
    ├── NotFound                      what was asked for does not exist
    ├── NotPermitted                  this caller may not; answered exactly like the unknown
    ├── ClientCannotAnswer            the client did not declare what was asked of it   .required
    ├── Declined                      the user said no to a question, or closed it   .action
    └── InvalidResult (TypeError)     a function returned what it had not declared: a bug
    RegistrationError (ValueError)    a function, a name or a schema that cannot be registered

Only the text of a ``ToolError`` is shown to the caller. Every other exception is answered in words
that do not depend on its text, and logged. ``dispatch`` does both, and turns ``ClientCannotAnswer``
into -32021. The errors of the wire itself are those of ``protocol.errors``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal


class MCPServerError(Exception):
    """The root of what a server's own code raises."""


class ToolError(MCPServerError):
    """The call failed, and the calling model should know why.

    The text is the content of a result with ``isError`` (2026-07-28, server/tools#error-handling),
    so write it for a reader who can try again: what is wrong, and what would be right.
    """

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class InvalidArguments(ToolError):
    """The arguments of a call do not fit: ``problems`` has one line for each thing to mend."""

    def __init__(self, name: str, problems: Sequence[str]) -> None:
        self.name = name
        self.problems = tuple(problems)
        lines = "".join(f"\n- {problem}" for problem in self.problems)
        whose = f" of `{name}`" if name else ""
        super().__init__(f"The arguments{whose} are not valid:{lines}")

    def __reduce__(self) -> tuple[Any, ...]:
        return (type(self), (self.name, self.problems))


class NoAnswer(ToolError):
    """A question reached the client and was not answered.

    It took too long, failed at the client, or what came does not fit the question. A user who says
    no has answered. Uncaught, the call fails with this text.
    """


class TimedOut(ToolError):
    """The function took longer than the `timeout` of its tool."""


class NotFound(MCPServerError):
    """What was asked for does not exist.

    Reading a resource then answers with the revision's "resource not found".
    """


class NotPermitted(MCPServerError):
    """This caller may not do this.

    It is answered exactly like something that does not exist, so that a caller cannot learn from
    the answer what there is. The text is for the log.
    """


class ClientCannotAnswer(MCPServerError):
    """The client did not declare the capability that a question to it needs.

    ``required`` is the missing part in the shape of ``ClientCapabilities``, for example
    ``{"elicitation": {"form": {}}}``. Uncaught, it becomes error -32021 with this part as its data
    (2026-07-28, basic/index#error-codes); caught, the function may go on without the answer.
    """

    def __init__(self, required: Mapping[str, Any], message: str | None = None) -> None:
        self.required = dict(required)
        names = ", ".join(self.required) or "none named"
        super().__init__(
            message or f"The client did not declare a capability this request needs: {names}"
        )

    def __reduce__(self) -> tuple[Any, ...]:
        return (type(self), (self.required, str(self)))


class Declined(MCPServerError):
    """The user said no to a question (``action="decline"``) or closed it (``"cancel"``)."""

    def __init__(
        self,
        message: str = "The user declined.",
        *,
        action: Literal["decline", "cancel"] = "decline",
    ) -> None:
        super().__init__(message)
        self.action = action


class InvalidResult(MCPServerError, TypeError):
    """A function returned what cannot be served, or what it had not declared.

    It is the author's bug and not the caller's, so it is not a ``ToolError``: the caller gets the
    general answer, the log gets this text.
    """


class RegistrationError(ValueError):
    """Something cannot be registered; the text says what, where, and what to write in its place.

    Raised while the project is being imported, before any caller can meet the mistake.
    """
