"""What is said on a line, whichever era the server is in.

Owns what both kinds know of either side. How they come to know it, and what a request carries, is
`stateful`'s and `stateless`'s.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..protocol import types as t
from ..protocol.revisions import Revision
from .callbacks import Callbacks
from .line import Line


class Conversation:
    """A conversation with a server on `line`, in one of `revisions`, which come newest first."""

    def __init__(
        self,
        line: Line,
        callbacks: Callbacks,
        info: t.Implementation,
        revisions: Sequence[Revision],
        *,
        log_level: str | None,
    ) -> None:
        self.line = line
        self.revision = revisions[0]
        self._revisions = revisions
        self._callbacks = callbacks
        self._info = info
        self._log_level = log_level
        self.server_info: t.Implementation | None = None
        self.capabilities = t.ServerCapabilities()
        self.instructions: str | None = None
        self._begin()

    def _begin(self) -> None:
        """Make the line ready for what is said in this era."""
        raise NotImplementedError
