"""The example project with authorization: its books, two users, and an environment to run it in."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

REPOSITORY: Final = Path(__file__).resolve().parent.parent
PROJECT: Final = REPOSITORY / "example_project"
#: Seconds that one command may take.
PATIENCE: Final = 120.0
#: The variable with a folder that the processes of one test run have in common.
SHARED: Final = "MCP_TEST_SHARED"

_MAKE = """
import django
django.setup()
from django.contrib.auth import get_user_model
from django.core.management import call_command
from django.db import connection
call_command("migrate", verbosity=0)
call_command("load_library", verbosity=0)
for name in ("anna", "ben"):
    get_user_model().objects.create_superuser(name, f"{name}@example.com", "secret")
call_command("check")
# What SQLite has noted beside the database goes into it when it is closed.
connection.close()
"""


def environment(database: Path) -> dict[str, str]:
    """What a process needs besides this one's environment to serve it, kept in `database`."""
    return {
        "DJANGO_SETTINGS_MODULE": "config.settings",
        "PYTHONPATH": os.pathsep.join([str(PROJECT), str(REPOSITORY)]),
        "DATABASE_PATH": str(database),
        "OAUTH": "1",
    }


def prepare(database: Path) -> None:
    """Make the database: every table, the books, and the administrators anna and ben, whose
    password is "secret". It is made once for all tests of a run, and copied."""
    if SHARED not in os.environ:
        _make(database)
        return
    made = Path(os.environ[SHARED]) / "library.sqlite3"
    with made.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not made.exists():
            begun = made.with_suffix(".begun")
            _make(begun)
            begun.rename(made)
    shutil.copyfile(made, database)


def _make(database: Path) -> None:
    _run(database, "-c", _MAKE)


def manage(database: Path, *command: str) -> str:
    """Run a command of `manage.py`; what it printed. Raises CalledProcessError where it failed."""
    return _run(database, "manage.py", *command)


def _run(database: Path, *arguments: str) -> str:
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=PROJECT,
        env={**os.environ, **environment(database)},
        check=True,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    ).stdout
