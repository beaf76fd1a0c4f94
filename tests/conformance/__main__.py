"""Serve the fixture and run the official suite against it: `python -m tests.conformance`.

Prints a line for each scenario and `N passed, M failed`. A warning fails its scenario: the suite
warns where a server does not do what it SHOULD. The exit status is 0 where everything passed.

Installs the suite with npm where it is not there yet; see `suite`. Of its own processes it ends the
one it started for the server, and none else.
"""

from __future__ import annotations

import argparse
import http.client
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .server import COMMANDS
from .suite import Scenario, Suite, SuiteError, home, read_result

REPOSITORY = Path(__file__).resolve().parent.parent.parent
HOST = "127.0.0.1"
#: Seconds the server may take to listen, and to end.
PATIENCE = 30
LATEST = "2026-07-28"


def main() -> int:
    """Install, serve, run, report; return the exit status."""
    options = arguments()
    results = Path(tempfile.mkdtemp(prefix="conformance-"))
    try:
        scenarios = run(options, results)
    except SuiteError as error:
        print(error, file=sys.stderr)
        return 2
    finally:
        if not options.keep:
            shutil.rmtree(results)
    failed = sum(not scenario.passed for scenario in scenarios)
    if options.keep:
        print(f"results: {results}")
    print(f"{len(scenarios) - failed} passed, {failed} failed")
    return 1 if failed else 0


def run(options: argparse.Namespace, results: Path) -> list[Scenario]:
    """Run what was asked for and print each scenario's line."""
    suite = Suite(home())
    suite.install()
    listed = suite.scenarios(options.spec)
    unknown = set(options.scenario) - set(listed)
    if unknown:
        raise SuiteError(f"{options.spec} has no scenario {', '.join(sorted(unknown))}.")
    names = [name for name in listed if name in options.scenario] or listed
    with serving(options.server, results / "server.log") as url:
        suite.run(url, options.spec, names if options.scenario else None, results)
    scenarios = [read_result(name, results) for name in names]
    for scenario in scenarios:
        report(scenario)
    return scenarios


def report(scenario: Scenario) -> None:
    """Print the scenario's line, and one for each check that failed or warned."""
    verdict = "PASS" if scenario.passed else "FAIL"
    reason = f"  {scenario.problem}" if scenario.problem else ""
    print(f"{verdict}  {scenario.name}{reason}")
    for check in scenario.bad:
        print(f"      {check.status} {check.id}: {check.message}")


@contextmanager
def serving(server: str, log: Path) -> Iterator[str]:
    """The URL of the fixture, served by a process that ends with the block."""
    port = free_port()
    command = [sys.executable, "-m", "tests.conformance.server"]
    command += ["--host", HOST, "--port", str(port), "--server", server]
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, cwd=REPOSITORY, stdin=subprocess.DEVNULL, stdout=output, stderr=output
        )
    try:
        wait_until_listening(process, port, log)
        yield f"http://{HOST}:{port}/mcp"
        if process.poll() is not None:
            raise SuiteError(f"The server ended by itself:\n{log.read_text()}")
    finally:
        process.terminate()
        try:
            process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def wait_until_listening(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    """Return once the server answers anything at all; raises SuiteError if it never does."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise SuiteError(f"The server did not start:\n{log.read_text()}")
        connection = http.client.HTTPConnection(HOST, port, timeout=PATIENCE)
        try:
            connection.request("GET", "/mcp")
            connection.getresponse().read()
        except ConnectionError:
            time.sleep(0.1)
        else:
            return
        finally:
            connection.close()
    raise SuiteError(f"The server did not listen within {PATIENCE} seconds:\n{log.read_text()}")


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tests.conformance",
        description="Run the official conformance suite against the fixture server.",
    )
    parser.add_argument("--spec", default=LATEST, help="revision to test (default: %(default)s)")
    parser.add_argument(
        "--server", choices=COMMANDS, default="daphne", help="what serves it (default: %(default)s)"
    )
    parser.add_argument(
        "--scenario", action="append", default=[], help="only this one; may be repeated"
    )
    parser.add_argument(
        "--keep", action="store_true", help="keep the suite's results and the server's log"
    )
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
