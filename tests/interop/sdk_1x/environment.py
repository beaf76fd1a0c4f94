"""An environment with the last SDK 1.x, made once for each Python and kept under `~/.cache`.

`python -m tests.interop.sdk_1x.environment` makes it, and prints its interpreter.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Final

#: The last release before 2.0.
VERSION: Final = "1.30.0"
#: Seconds that may take.
PATIENCE: Final = 300.0


class CannotBeMade(Exception):
    """The environment is not there and cannot be made; the text says why."""


def interpreter() -> Path:
    """The interpreter that has SDK 1.x; raises CannotBeMade."""
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    caches = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    home = caches / "django-mcp-tests" / f"mcp-{VERSION}-python-{python}"
    found = home / ("Scripts" if os.name == "nt" else "bin") / "python"
    ready = home / "ready"
    if not ready.exists():
        _run(sys.executable, "-m", "venv", "--clear", str(home))
        _run(str(found), "-m", "pip", "install", "--quiet", f"mcp=={VERSION}")
        ready.touch()
    return found


def _run(*command: str) -> None:
    try:
        subprocess.run(command, check=True, capture_output=True, text=True, timeout=PATIENCE)
    except subprocess.CalledProcessError as error:
        last = (error.stderr.strip() or "nothing was written").splitlines()[-1]
        raise CannotBeMade(f"{' '.join(command)} failed: {last}") from None
    except (OSError, subprocess.TimeoutExpired) as error:
        raise CannotBeMade(f"{' '.join(command)} failed: {error}") from None


if __name__ == "__main__":
    print(interpreter())
