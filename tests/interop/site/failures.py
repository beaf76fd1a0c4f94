"""The failure a tool has on purpose, kept out of the log so that every other one is seen there."""

from __future__ import annotations

import logging


class Deliberate(Exception):
    """What nobody foresaw, foreseen."""


class Unexpected(logging.Filter):
    """Lets everything pass that is not about a `Deliberate`."""

    def filter(self, record: logging.LogRecord) -> bool:
        error = record.exc_info[1] if record.exc_info else None
        return not isinstance(error, Deliberate)
