"""Around every use of a thread: its database connections are looked after as around a request.

`close_old_connections()` is what makes CONN_MAX_AGE and CONN_HEALTH_CHECKS mean something. Django
calls it when a request begins and when it ends; so do the threads here, except that what was right
a moment ago is not looked at again: CONN_MAX_AGE counts seconds.
"""

from __future__ import annotations

import threading
import time
from typing import Final

from django import db

#: Seconds for which a thread's connections are good after they were looked at.
_FRESH: Final = 1.0


class _Thread(threading.local):
    """When this thread's connections were last looked at, on the monotonic clock."""

    looked_at = -_FRESH


_thread = _Thread()


def close_stale_connections() -> None:
    """Before use: close what has outlived CONN_MAX_AGE while the thread was idle."""
    if time.monotonic() - _thread.looked_at >= _FRESH:
        close_old_connections()


def close_old_connections() -> None:
    """After use: close what may not be kept."""
    db.close_old_connections()
    _thread.looked_at = time.monotonic()
