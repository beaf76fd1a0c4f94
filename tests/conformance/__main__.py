"""Run the official suite: `python -m tests.conformance`, against the fixture that it serves.

With `--client` it is run against the client that `client` is, with the suite's own servers, and
with `--authorization` against the authorization server of the example project; see `authorization`.

Prints a line for each scenario and `N passed, M failed` for each revision. A warning fails its
scenario: the suite warns where a server does not do what it SHOULD. The exit status is 0 where
everything passed.

`--spec` takes several revisions, or "all". `--processes 2` serves the fixture with two processes
that share a PostgreSQL and a Redis, behind a proxy that deals the requests out one by one.

Installs the suite with npm where it is not there yet; see `suite`. What was started for the run
ends with it, by its id.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from fnmatch import filter as filter_names
from pathlib import Path

from tests.processes import shared
from tests.processes.proxy import proxy
from tests.processes.workers import SERVERS, Complained, DidNotStart, workers
from tests.services import HOST, Missing, postgres, redis

from . import authorization
from .server import APPLICATION
from .suite import Scenario, Suite, SuiteError, home, read_result

SPECS = ("2025-03-26", "2025-06-18", "2025-11-25", "2026-07-28")
SETTINGS = "tests.conformance.settings"
#: Scenarios for clients that run at the same time.
AT_ONCE = 3
CLIENT = f"{sys.executable} -m tests.conformance.client"


def main() -> int:
    """Install, serve, run, report; return the exit status."""
    options = arguments()
    specs = SPECS if "all" in options.spec else options.spec
    results = Path(tempfile.mkdtemp(prefix="conformance-"))
    suite = Suite(home())
    try:
        suite.install()
        if options.client:
            passed = [run_client(suite, spec, options.scenario, results / spec) for spec in specs]
        elif options.authorization:
            with authorization.serving(results) as site:
                passed = [
                    run_authorization(suite, site, spec, options.scenario, results / spec)
                    for spec in specs
                ]
        else:
            with serving(options, results) as url:
                passed = [run(suite, url, spec, options.scenario, results / spec) for spec in specs]
    except (SuiteError, DidNotStart, Complained, Missing) as error:
        print(error, file=sys.stderr)
        return 2
    finally:
        if options.keep:
            print(f"results: {results}")
        else:
            shutil.rmtree(results)
    return 0 if all(passed) else 1


def run(suite: Suite, url: str, spec: str, chosen: list[str], results: Path) -> bool:
    """Run the scenarios of one revision, print a line for each; True where all of them passed."""
    results.mkdir()
    names = select(suite.scenarios(spec), chosen, spec)
    suite.run(url, spec, names if chosen else None, results)
    return judge(spec, (read_result(name, results) for name in names))


def run_client(suite: Suite, spec: str, chosen: list[str], results: Path) -> bool:
    """The same with the client: each scenario has a process and a server of its own, and most of
    its time goes by waiting, so that several run at once."""
    results.mkdir()
    names = select(suite.scenarios(spec, "client"), chosen, spec)
    with ThreadPoolExecutor(AT_ONCE) as pool:
        return judge(
            spec, pool.map(lambda name: suite.run_client(CLIENT, spec, name, results), names)
        )


def run_authorization(
    suite: Suite, site: authorization.Site, spec: str, chosen: list[str], results: Path
) -> bool:
    """The same with the authorization server, for each kind of client in turn."""
    results.mkdir()
    names = select(suite.scenarios(spec, "authorization"), chosen, spec)
    return judge(spec, authorization.run(suite, site, spec, names, results))


def select(listed: list[str], chosen: list[str], spec: str) -> list[str]:
    """The scenarios that are chosen: a name, or a pattern as "auth/*"; all where none is."""
    unknown = [each for each in chosen if not filter_names(listed, each)]
    if unknown:
        raise SuiteError(f"{spec} has no scenario {', '.join(sorted(unknown))}.")
    found = {name for each in chosen for name in filter_names(listed, each)}
    return [name for name in listed if name in found] or listed


def judge(spec: str, scenarios: Iterable[Scenario]) -> bool:
    """Print a line for each scenario as it ends, and how many passed; True where all did."""
    passed = []
    for scenario in scenarios:
        report(scenario)
        passed.append(scenario.passed)
    print(f"{spec}: {sum(passed)} passed, {len(passed) - sum(passed)} failed", flush=True)
    return all(passed)


def report(scenario: Scenario) -> None:
    """Print the scenario's line, and one for each check that failed or warned."""
    verdict = "PASS" if scenario.passed else "FAIL"
    reason = f"  {scenario.problem}" if scenario.problem else ""
    print(f"{verdict}  {scenario.name}{reason}", flush=True)
    for check in scenario.bad:
        print(f"      {check.status} {check.id}: {check.message}")


@contextmanager
def serving(options: argparse.Namespace, logs: Path) -> Iterator[str]:
    """The URL of the fixture, served by processes that end with the block.

    Raises Complained where one of them ended before, Missing where something is not installed.
    """
    with ExitStack() as stack:
        together: dict[str, str] = {}
        if options.processes > 1:
            together = shared.environment(
                stack.enter_context(postgres()), stack.enter_context(redis())
            )
            shared.migrate(SETTINGS, together)
        started = stack.enter_context(
            workers(options.processes, options.server, APPLICATION, logs, together)
        )
        ports = [worker.port for worker in started]
        port = ports[0] if len(ports) == 1 else stack.enter_context(proxy(ports))
        yield f"http://{HOST}:{port}/mcp"
        for worker in started:
            worker.check()


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tests.conformance",
        description="Run the official conformance suite against the fixture server.",
    )
    tested = parser.add_mutually_exclusive_group()
    tested.add_argument(
        "--client", action="store_true", help="test the client instead, with the suite's servers"
    )
    tested.add_argument(
        "--authorization",
        action="store_true",
        help="test the authorization server instead, of the example project on daphne",
    )
    parser.add_argument(
        "--spec",
        nargs="+",
        choices=[*SPECS, "all"],
        default=[SPECS[-1]],
        help="revisions to test (default: %(default)s)",
    )
    parser.add_argument(
        "--server", choices=SERVERS, default="daphne", help="what serves it (default: %(default)s)"
    )
    parser.add_argument(
        "--processes", type=int, default=1, help="how many serve it (default: %(default)s)"
    )
    parser.add_argument(
        "--scenario", action="append", default=[], help="only these, as auth/*; may be repeated"
    )
    parser.add_argument(
        "--keep", action="store_true", help="keep the suite's results and the servers' logs"
    )
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
