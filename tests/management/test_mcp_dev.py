"""manage.py mcp_dev: two programs that begin and end together.

What stands for the Inspector here is a program of the test's own.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from django_mcp.management.side_by_side import is_taken
from tests.services import free_port

REPOSITORY = Path(__file__).resolve().parent.parent.parent
PATIENCE = 60

#: Writes down how it was started, and has a child of its own listen, as npx does.
NPX = f"""#!{sys.executable}
import json, os, subprocess, sys
names = ("HOST", "CLIENT_PORT", "MCP_INSPECTOR_API_TOKEN", "MCP_AUTO_OPEN_ENABLED")
with open(os.environ["STARTED"], "w") as file:
    json.dump([sys.argv[1:], {{name: os.environ.get(name) for name in names}}], file)
listen = '''
import os, socket, sys
with socket.create_server(("127.0.0.1", int(os.environ["CLIENT_PORT"]))) as server:
    while True:
        server.accept()[0].close()
        if os.environ["ENDS"]:
            sys.exit(3)
'''
sys.exit(subprocess.call([sys.executable, "-c", listen]))
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "bin").mkdir()
    npx = tmp_path / "bin" / "npx"
    npx.write_text(NPX)
    npx.chmod(0o755)
    (tmp_path / "project.py").write_text(
        "from tests.settings import *\n"
        'INSTALLED_APPS = ["django.contrib.auth", "django.contrib.contenttypes", "django_mcp"]\n'
        'ROOT_URLCONF = "project_urls"\nDEBUG = True\n'
    )
    (tmp_path / "project_urls.py").write_text(
        "from django.urls import include, path\n"
        'urlpatterns = [path("api/", include("django_mcp.urls"))]\n'
    )
    return tmp_path


@contextmanager
def running(
    project: Path,
    port: int,
    inspector: int,
    *arguments: str,
    path: str | None = None,
    ends: str = "",
) -> Iterator[subprocess.Popen[str]]:
    command = ["mcp_dev", "--port", str(port), "--inspector-port", str(inspector), *arguments]
    process = subprocess.Popen(
        [sys.executable, "-m", "django", *command],
        env={
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "project",
            "PYTHONPATH": os.pathsep.join([str(project), str(REPOSITORY)]),
            "PATH": f"{project / 'bin'}{os.pathsep}{os.environ['PATH']}" if path is None else path,
            "STARTED": str(project / "started.json"),
            "ENDS": ends,
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        # SIGTERM, which it hands on to what it has started.
        process.terminate()
        process.communicate(timeout=PATIENCE)


def until(process: subprocess.Popen[str], text: str) -> str:
    """What the process writes up to `text`."""
    assert process.stdout is not None
    written = ""
    for line in process.stdout:
        written += line
        if text in line:
            return written
    raise AssertionError(f"It ended first: {written}")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_both_run_and_end_together(project: Path, number: signal.Signals) -> None:
    port, inspector = free_port(), free_port()
    with running(project, port, inspector) as process:
        said = until(process, "Ctrl-C ends both")
        url = re.search(r"http://127.0.0.1:\d+/\?\S+", said)
        assert url is not None
        asked = {key: value for key, [value] in parse_qs(urlsplit(url[0]).query).items()}
        arguments, environment = json.loads((project / "started.json").read_text())
        assert arguments == ["-y", "@modelcontextprotocol/inspector", "--web"]
        assert environment == {
            "HOST": "127.0.0.1",
            "CLIENT_PORT": str(inspector),
            "MCP_INSPECTOR_API_TOKEN": asked["autoConnect"],
            "MCP_AUTO_OPEN_ENABLED": "false",
        }
        assert asked["serverUrl"] == f"http://127.0.0.1:{port}/api/mcp"
        assert urlsplit(url[0]).port == inspector

        process.send_signal(number)
        rest, errors = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, errors
    assert "Both are ended." in rest
    assert not is_taken("127.0.0.1", port)
    assert not is_taken("127.0.0.1", inspector)


def test_where_the_inspector_ends_the_project_does_too(project: Path) -> None:
    port, inspector = free_port(), free_port()
    with running(project, port, inspector, ends="yes") as process:
        _, errors = process.communicate(timeout=PATIENCE)
    assert process.returncode == 1
    assert "The Inspector has ended, with status 3; so both have." in errors
    assert not is_taken("127.0.0.1", port)


def test_without_npx_it_is_said_what_is_missing(project: Path, tmp_path: Path) -> None:
    with running(project, free_port(), free_port(), path=str(tmp_path / "none")) as process:
        _, errors = process.communicate(timeout=PATIENCE)
    assert process.returncode == 1
    assert "npx is not there: install Node.js 22.19 or newer" in errors


def test_a_port_that_is_taken_is_said_to_be(project: Path) -> None:
    taken, other = free_port(), free_port()
    with running(project, taken, other) as first:
        until(first, "Ctrl-C ends both")
        with running(project, taken, free_port()) as second:
            _, errors = second.communicate(timeout=PATIENCE)
    assert f"Something listens on 127.0.0.1:{taken} already: --port another" in errors


def test_a_server_that_nothing_leads_to_cannot_be_inspected(project: Path) -> None:
    (project / "project_urls.py").write_text("urlpatterns = []\n")
    with running(project, free_port(), free_port()) as process:
        _, errors = process.communicate(timeout=PATIENCE)
    assert "No route leads to the server" in errors
