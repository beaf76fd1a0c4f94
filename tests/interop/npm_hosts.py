"""Hosts that npm has, against the example project with authorization, and a browser that says yes.

    python -m tests.interop.npm_hosts [--chromium]

`mcp-remote` and the command line of the MCP Inspector are installed beside the conformance suite
(see `tests.conformance.suite`), each once. Prints a line for each thing they have to manage; the
exit status is 0 where they did. To be run by hand before a release: what they do changes from one
version to the next, and is none of this project's. With `--chromium` the browser is a real one,
`tests.chromium`.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from tests import library
from tests.conformance.suite import Suite, SuiteError, home
from tests.processes.workers import Complained, DidNotStart, workers
from tests.services import HOST

MCP_REMOTE: Final = "mcp-remote@0.15.1"
INSPECTOR: Final = "@modelcontextprotocol/inspector@2.12.0"
#: Seconds for one host to do what it is asked, logging in included.
PATIENCE: Final = 60.0

COUNT: Final = {"name": "count_by_decade", "arguments": {"from": 1800, "to": 1900}}
LEND: Final = {"name": "lend_book", "arguments": {"book_id": 10**6, "card_number": 1}}


def main(arguments: Sequence[str] | None = None) -> int:
    """Install, serve, try each; the exit status."""
    parser = argparse.ArgumentParser(description="Try hosts that npm has.")
    parser.add_argument("--chromium", action="store_true", help="log in with a real browser")
    module = "tests.chromium" if parser.parse_args(arguments).chromium else "tests.browser"
    suite = Suite(home())
    try:
        suite.install()
        suite.add(MCP_REMOTE, INSPECTOR)
        with tempfile.TemporaryDirectory() as folder, serving(Path(folder), module) as url:
            kept = Path(folder)
            passed = [
                tried("mcp-remote, from nothing", lambda: mcp_remote(suite, url, kept)),
                tried("mcp-remote, with what it kept", lambda: mcp_remote(suite, url, kept)),
                tried("Inspector, from nothing", lambda: inspector(suite, url, kept)),
                tried(
                    "Inspector, with what it kept",
                    lambda: inspector(suite, url, kept, "--stored-auth-only"),
                ),
            ]
            if complaints := (kept / "browser.log").read_text():
                print(f"The browser: {complaints}")
    except (SuiteError, DidNotStart, Complained) as error:
        print(error, file=sys.stderr)
        return 2
    return 0 if all(passed) else 1


def tried(name: str, play: Callable[[], None]) -> bool:
    """Print whether it came out."""
    try:
        play()
    except (AssertionError, KeyError, ValueError, subprocess.SubprocessError) as error:
        print(f"FAIL  {name}: {error!r}"[:500], flush=True)
        return False
    print(f"PASS  {name}", flush=True)
    return True


@contextmanager
def serving(folder: Path, browser: str) -> Iterator[str]:
    """The library, with a user whose browser, a module, says yes; the URL of its endpoint."""
    database = folder / "example.sqlite3"
    library.prepare(database)
    program = folder / "browser"
    log = folder / "browser.log"
    log.touch()
    command = f'"{sys.executable}" -m {browser} "$1" 2>>"{log}"'
    program.write_text(f'#!/bin/sh\ncd "{library.REPOSITORY}" && exec {command}\n')
    program.chmod(0o700)
    environment = library.environment(database)
    with workers(1, "daphne", "config.asgi:application", folder, environment) as started:
        yield f"http://{HOST}:{started[0].port}/mcp"
        started[0].check()


def environment(folder: Path) -> dict[str, str]:
    """Nothing of these hosts is kept outside `folder`."""
    return {
        **os.environ,
        "HOME": str(folder),
        "BROWSER": str(folder / "browser"),
        "MCP_REMOTE_CONFIG_DIR": str(folder / "mcp-remote"),
        "MCP_AUTO_OPEN_ENABLED": "true",
        "MCP_INSPECTOR_SECRET_STORE": "file",
    }


def mcp_remote(suite: Suite, url: str, folder: Path) -> None:
    """As Claude Desktop starts it: a call, one that needs a further scope, and another."""
    process = subprocess.Popen(
        suite.program("mcp-remote", url, "--auth-timeout", str(int(PATIENCE))),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env=environment(folder),
    )
    ending = threading.Timer(PATIENCE, process.kill)
    ending.start()
    try:
        client = {"name": "npm-hosts", "version": "1"}
        hello = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": client}
        assert _ask(process, 1, "initialize", hello)["serverInfo"]["name"] == "library"
        _send(process, {"method": "notifications/initialized"})
        assert "1800s" in _ask(process, 2, "tools/call", COUNT)["structuredContent"]
        assert "no book" in _ask(process, 3, "tools/call", LEND)["content"][0]["text"]
        assert "1800s" in _ask(process, 4, "tools/call", COUNT)["structuredContent"]
    finally:
        ending.cancel()
        process.kill()
        process.communicate()


def _send(process: subprocess.Popen[str], message: dict[str, Any]) -> None:
    assert process.stdin is not None
    process.stdin.write(json.dumps({"jsonrpc": "2.0", **message}) + "\n")
    process.stdin.flush()


def _ask(process: subprocess.Popen[str], id: int, method: str, params: Any) -> dict[str, Any]:
    """The result of a request; ValueError where there is an error, or the program ends before."""
    _send(process, {"id": id, "method": method, "params": params})
    for line in process.stdout or ():
        message = json.loads(line)
        if message.get("id") == id:
            if "result" not in message:
                raise ValueError(f"{method} is answered with {message}")
            result: dict[str, Any] = message["result"]
            return result
    raise ValueError(f"it ended without an answer to {method}")


def inspector(suite: Suite, url: str, folder: Path, *options: str) -> None:
    """One call from the command line."""
    given = ["--cli", url, *options, "--method", "tools/call", "--tool-name", "count_by_decade"]
    ran = subprocess.run(
        suite.program("mcp-inspector", *given, "--tool-arg", "from=1800", "to=1900"),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        env=environment(folder),
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    assert "1800s" in json.loads(ran.stdout)["structuredContent"]


if __name__ == "__main__":
    sys.exit(main())
