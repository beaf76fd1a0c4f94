"""The same project, whose settings print nothing: they are read before anything can be done."""

from __future__ import annotations

from contextlib import redirect_stdout
from io import StringIO

with redirect_stdout(StringIO()):
    from .settings import *  # noqa: F403
