"""A server to talk to, and the doors to it: those of the conversations."""

from __future__ import annotations

from tests.conversations.conftest import (  # noqa: F401 - fixtures
    door,
    guarded,
    server,
    streaming,
)
