"""Start the example project, from a clone and Python alone: ``python example_project/run.py``.

Makes an environment when there is none, brings the database up to date, loads the library's books,
prints what to paste into an MCP client and starts the server. Which environment that is, is decided
by ``.ci/bootstrap.py``.
"""

from __future__ import annotations

import argparse
import errno
import os
import socket
import subprocess
import sys
from pathlib import Path

PROJECT = Path(__file__).resolve().parent
# In place of this directory, whose modules must not stand in for installed ones.
sys.path[0] = str(PROJECT.parent / ".ci")

import bootstrap  # noqa: E402 - it is found through the line above


def main() -> None:
    """Prepare the project, say how to connect, and go on as the server."""
    options = arguments()
    if not options.prepare_only:
        refuse_a_taken_port(options.host, options.port)
    python = bootstrap.python()
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "config.settings"}
    for command in (
        ["migrate", "--no-input", "--verbosity=0"],
        ["load_library"],
        ["how_to_connect", url(options.host, options.port)],
    ):
        run([python, "manage.py", *command], environment)
    if options.prepare_only:
        return
    bind = ["--bind", options.host, "--port", str(options.port)]
    server = [python, "-m", "daphne", "--verbosity", "1", *bind, "config.asgi:application"]
    bootstrap.become(server, cwd=PROJECT, env=environment)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Start the example project.")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (%(default)s)")
    parser.add_argument("--port", default=8000, type=port, help="port to listen on (%(default)s)")
    parser.add_argument(
        "--prepare-only", action="store_true", help="prepare everything, start no server"
    )
    return parser.parse_args()


def port(text: str) -> int:
    number = int(text)
    if not 1 <= number <= 65535:
        raise argparse.ArgumentTypeError(f"{number} is no port; give one from 1 to 65535")
    return number


def refuse_a_taken_port(host: str, port: int) -> None:
    """Exit with the remedy, before anything is installed, if another program listens there."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        if os.name == "posix":
            # As the server will: a port that was left a moment ago is free.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            remedy = " Choose another with --port." if error.errno == errno.EADDRINUSE else ""
            sys.exit(f"Cannot listen on {host}, port {port}: {error.strerror}.{remedy}")


def run(command: list[str], environment: dict[str, str]) -> None:
    finished = subprocess.run(command, cwd=PROJECT, env=environment)
    if finished.returncode:
        sys.exit(f"'{' '.join(command[1:])}' failed; what it says above is the reason.")


def url(host: str, port: int) -> str:
    """The address a client on this machine reaches the server at."""
    reachable = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - read, not bound
    return f"http://[{reachable}]:{port}" if ":" in reachable else f"http://{reachable}:{port}"


if __name__ == "__main__":
    main()
