"""Serve the fixture, until it is told to stop.

python -m tests.conformance.server --port 8000 [--host 127.0.0.1] [--server daphne|uvicorn]
"""

from __future__ import annotations

import argparse
import os

from tests.processes.workers import SERVERS, command

APPLICATION = "tests.conformance.asgi:application"


def main() -> None:
    """Go on as the ASGI server, in the same process, serving http://host:port/mcp."""
    options = arguments()
    become = command(options.server, options.host, options.port, APPLICATION)
    os.execv(become[0], become)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tests.conformance.server", description="Serve the conformance fixture."
    )
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--host", default="127.0.0.1", help="default: %(default)s")
    parser.add_argument("--server", choices=SERVERS, default="daphne", help="default: %(default)s")
    return parser.parse_args()


if __name__ == "__main__":
    main()
