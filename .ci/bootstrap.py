"""An environment that has the package and what it needs, from a clone and Python alone.

Standard library only. ``tests/run.py``, ``example_project/run.py`` and ``.ci/run`` ask here for an
interpreter and start what they start with it; which environment that is, and when it is brought up
to date, is decided nowhere else.

The interpreter that runs is taken if it has this clone installed, with every dependency asked for:
that is somebody's own virtual environment. Otherwise ``.venv`` in the clone is, which is made when
it is not there and installed into again whenever ``pyproject.toml`` has changed.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import os
import re
import shutil
import subprocess
import sys
import venv
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import NoReturn
from urllib.parse import urlsplit
from urllib.request import url2pathname

CLONE = Path(__file__).resolve().parent.parent
ENVIRONMENT = CLONE / ".venv"
OLDEST_PYTHON = (3, 11)

_DISTRIBUTION = "django-mcp-channels"
_STAMP = ENVIRONMENT / "installed.json"
_NAME = re.compile(r"[A-Za-z0-9._-]+")
_EXTRA = re.compile(r"""extra\s*==\s*["']([^"']+)["']""")


def python(*extras: str) -> str:
    """Return the path of an interpreter that has this clone installed, with these extras.

    Exits with a message that says what to do when there is none and none can be made.
    """
    if sys.version_info < OLDEST_PYTHON:
        sys.exit(
            f"Python 3.11 or newer is needed, and this is {sys.version.split()[0]}. Run the same"
            " command with a newer one, as in: python3.13 ..."
        )
    own = Path(sys.prefix).resolve() == ENVIRONMENT.resolve()
    if not own and _installed_from() == CLONE and not _missing(extras):
        return sys.executable
    if not ENVIRONMENT.exists():
        _create()
    interpreter = _interpreter()
    if not _runs(interpreter):
        sys.exit(
            f"{interpreter} does not run, or is older than Python 3.11. Remove {ENVIRONMENT}"
            " and run the same command again."
        )
    if not _is_up_to_date(extras):
        _install(interpreter, extras)
    return str(interpreter)


def become(command: list[str], *, cwd: Path, env: Mapping[str, str] = os.environ) -> NoReturn:
    """Go on as *command*, a path and its arguments, in the directory *cwd*."""
    sys.stdout.flush()
    if os.name == "posix":
        os.chdir(cwd)
        os.execve(command[0], command, env)
    # Windows has no exec that keeps the console: wait, and leave Ctrl-C to the child.
    child = subprocess.Popen(command, cwd=cwd, env=env)
    while True:
        try:
            sys.exit(child.wait())
        except KeyboardInterrupt:
            continue


# ------------------------------------------------------------------------ the running interpreter


def _installed_from() -> Path | None:
    """The directory this interpreter's editable install of the package points at (PEP 610)."""
    try:
        text = importlib.metadata.distribution(_DISTRIBUTION).read_text("direct_url.json")
    except importlib.metadata.PackageNotFoundError:
        return None
    origin = json.loads(text or "{}")
    if not origin.get("dir_info", {}).get("editable"):
        return None
    return Path(url2pathname(urlsplit(origin["url"]).path)).resolve()


def _missing(extras: Collection[str]) -> list[str]:
    """The dependencies that are not there; their versions are left to who made the environment."""
    missing = []
    for requirement in importlib.metadata.requires(_DISTRIBUTION) or ():
        extra = _EXTRA.search(requirement)
        name = _NAME.match(requirement)
        if name is None or (extra is not None and extra[1] not in extras):
            continue
        try:
            importlib.metadata.version(name[0])
        except importlib.metadata.PackageNotFoundError:
            missing.append(name[0])
    return missing


# --------------------------------------------------------------------------- .venv in the clone


def _interpreter() -> Path:
    windows = os.name == "nt"
    return ENVIRONMENT / ("Scripts/python.exe" if windows else "bin/python")


def _create() -> None:
    print(f"Creating {ENVIRONMENT} ...", flush=True)
    try:
        venv.create(ENVIRONMENT, with_pip=True, symlinks=os.name != "nt")
    except (subprocess.CalledProcessError, ImportError) as error:
        shutil.rmtree(ENVIRONMENT, ignore_errors=True)
        sys.exit(
            f"Python could not make a virtual environment ({error}). Some systems ship 'venv' and"
            " 'ensurepip' apart: on Debian and Ubuntu, 'apt install python3-venv' brings them."
        )
    except BaseException:
        shutil.rmtree(ENVIRONMENT, ignore_errors=True)  # half of one, left by Ctrl-C, has no pip
        raise


def _runs(interpreter: Path) -> bool:
    check = f"import sys; sys.exit(sys.version_info < {OLDEST_PYTHON})"
    try:
        return subprocess.run([interpreter, "-c", check], capture_output=True).returncode == 0
    except OSError:
        return False


def _stamp() -> dict[str, object]:
    try:
        stamp = json.loads(_STAMP.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return stamp if isinstance(stamp, dict) else {}


def _metadata_digest() -> str:
    return hashlib.sha256((CLONE / "pyproject.toml").read_bytes()).hexdigest()


def _extras_in(stamp: Mapping[str, object]) -> set[str]:
    extras = stamp.get("extras")
    return set(extras) if isinstance(extras, list) else set()


def _is_up_to_date(extras: Collection[str]) -> bool:
    stamp = _stamp()
    return stamp.get("pyproject") == _metadata_digest() and _extras_in(stamp) >= set(extras)


def _install(interpreter: Path, extras: Collection[str]) -> None:
    wanted = sorted(_extras_in(_stamp()) | set(extras))
    target = f"{CLONE}[{','.join(wanted)}]" if wanted else str(CLONE)
    print(f"Installing the package and its dependencies into {ENVIRONMENT} ...", flush=True)
    pip = [str(interpreter), "-m", "pip", "-qq", "--disable-pip-version-check"]
    if subprocess.run([*pip, "install", "--editable", target]).returncode:
        sys.exit("pip could not install the package; what it says above is the reason.")
    stamp = {"pyproject": _metadata_digest(), "extras": wanted}
    _STAMP.write_text(json.dumps(stamp), encoding="utf-8")
