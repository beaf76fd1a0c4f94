"""Components that are known by name before they can be built, and are built with the first request.

A server is made while its project is still being loaded, and some of what it offers is known only
once that is done: which view a URL name leads to, what the view takes. Until then the name waits
here, with the function that builds what it stands for and registers it. What is built is the
business of who adds it.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from .errors import RegistrationError

logger = logging.getLogger("django_mcp")


class Waiting(dict[str, Callable[[], None]]):
    """What builds each that waits, by name."""

    def __init__(self) -> None:
        super().__init__()
        self._lock = threading.RLock()
        #: What could not be built, and why. It is left out, and everything else is served.
        self.failed: dict[str, str] = {}

    def add(self, name: str, build: Callable[[], None]) -> None:
        """Have `build` called before the next request is answered."""
        self[name] = build

    def remove(self, name: str) -> bool:
        """Forget what waits under `name`; False where nothing does."""
        self.failed.pop(name, None)
        return self.pop(name, None) is not None

    def settle(self) -> None:
        """Build all that waits; returns when it is there, also where another thread builds it.

        What cannot be built is logged and noted in `failed`: one mistake must not take the others
        away from everybody.
        """
        with self._lock:
            # A module that is imported for one of them may add others.
            while self:
                name, build = next(iter(self.items()))
                try:
                    build()
                except RegistrationError as error:
                    self.failed[name] = str(error)
                    logger.error("%s is left out: %s", name, error)
                except Exception as error:
                    self.failed[name] = f"{type(error).__name__}: {error}"
                    logger.exception("%s is left out: it could not be built", name)
                # Only now: who asks meanwhile has to wait for the lock, and for what is built.
                self.pop(name, None)
