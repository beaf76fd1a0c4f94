"""The official suite, `@modelcontextprotocol/conformance`: how it is installed, run and judged.

It is an npm package that needs a newer Node than most systems have, so a Node from npm stands
beside it in a directory of its own. Against what it is run, and what is printed, is `__main__`.

A scenario leaves `server-<name>-<time>/checks.json`, a list of checks; one for clients leaves out
"server-", one for authorization servers has "authorization-" before it. Its own exit status says
too little: warnings do not change it, and a scenario in which nothing but the form of the messages
was checked counts there as passed. For a client it says one thing more: whether the client itself
ended as it should.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TextIO

from tests.browser import Lost
from tests.processes.workers import PAUSE
from tests.services import HOST, PATIENCE

NODE = "node@22"
PACKAGE = "@modelcontextprotocol/conformance"
VERSION = "0.2.0-alpha.12"

#: Keeps the servers that the suite starts for clients on this machine.
LOOPBACK = Path(__file__).with_name("loopback.mjs")

#: Milliseconds for one scenario, and seconds for all of them.
SCENARIO_TIMEOUT = 30_000
SUITE_TIMEOUT = 600

#: Succeeds wherever messages are well formed, whatever the scenario is about.
FORM_CHECK = "wire-schema-valid"

#: What results are called, before the name of their scenario.
AUTHORIZATION_PREFIX = "authorization-server-"

_LISTED = re.compile(r"^ {2}- (\S+)", re.MULTILINE)
_LINK = re.compile(r"https?://\S+")
_COLOR = re.compile(r"\x1b\[[0-9;]*m")


class SuiteError(Exception):
    """The suite cannot be installed or does not run; the text says what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One thing a scenario looked at."""

    id: str
    status: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """What became of one scenario; `checks` is None where it left no result."""

    name: str
    checks: tuple[Check, ...] | None
    client_failed: bool = False

    @property
    def bad(self) -> tuple[Check, ...]:
        """The checks that failed or warned."""
        return tuple(each for each in self.checks or () if each.status in ("FAILURE", "WARNING"))

    @property
    def passed(self) -> bool:
        """True where something of the scenario's own succeeded, and nothing failed or warned."""
        return not self.problem

    @property
    def problem(self) -> str:
        """Why the scenario did not pass; empty where it did."""
        if self.checks is None:
            return "no result: it crashed or took too long"
        if self.bad:
            return f"{len(self.bad)} of {len(self.checks)} checks"
        if not any(each.status == "SUCCESS" and each.id != FORM_CHECK for each in self.checks):
            return "nothing of its own was checked"
        if self.client_failed:
            return "the client ended with an error, or not in time"
        return ""


class Suite:
    """The suite as it is installed in `home`."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self._node = home / "node_modules" / "node" / "bin" / "node"
        self._package = home / "node_modules" / PACKAGE

    def install(self) -> None:
        """Bring Node and the suite into `home`, unless these versions are there already.

        Raises SuiteError where npm is missing or fails.
        """
        self._home.mkdir(parents=True, exist_ok=True)
        manifest = self._home / "package.json"
        if not manifest.exists():
            manifest.write_text('{"private": true}\n')
        if not self._node.exists():
            # The package fetches the binary for this machine in its install script.
            self._npm("install", NODE)
        if not self._has(PACKAGE, VERSION):
            self._npm("install", "--ignore-scripts", "--save-exact", f"{PACKAGE}@{VERSION}")

    def add(self, *packages: str) -> None:
        """Bring further packages of npm into `home`, as "name@version", unless they are there."""
        missing = [each for each in packages if not self._has(*each.rsplit("@", 1))]
        if missing:
            self._npm("install", "--ignore-scripts", "--save-exact", *missing)

    def program(self, name: str, *arguments: str) -> list[str]:
        """The command that runs a program of such a package, with the Node of the suite."""
        return [str(self._node), str(self._home / "node_modules" / ".bin" / name), *arguments]

    def scenarios(self, spec: str, side: str = "server") -> list[str]:
        """The names of the scenarios for the revision `spec`, in the suite's order.

        `side` is what they test: "server", "client" or "authorization".
        """
        finished = self._run("list", f"--{side}", "--spec-version", spec)
        names = _LISTED.findall(_COLOR.sub("", finished.stdout))
        if not names:
            raise SuiteError(
                f"The suite has no scenarios for {spec!r}: {_said(finished) or 'it said nothing'}"
            )
        return names

    def run(self, url: str, spec: str, names: Iterable[str] | None, results: Path) -> None:
        """Run the scenarios `names`, or all of `spec`, against `url`.

        Their results go to `results`, and what the suite prints to a suite.log there.
        """
        common = ["server", "--url", url, "--spec-version", spec, "-o", str(results)]
        common += ["--timeout", str(SCENARIO_TIMEOUT)]
        chosen = [["--suite", "all"]] if names is None else [["--scenario", n] for n in names]
        with (results / "suite.log").open("a") as log:
            for selection in chosen:
                finished = self._run(*common, *selection)
                log.write(_COLOR.sub("", finished.stdout + finished.stderr))

    def run_client(self, command: str, spec: str, name: str, results: Path) -> Scenario:
        """Have the client that `command` starts play the scenario `name`; its result."""
        finished = self._run(
            *("client", "--command", command, "--scenario", name, "--spec-version", spec),
            *("--timeout", str(SCENARIO_TIMEOUT), "-o", str(results)),
        )
        with (results / "suite.log").open("a") as log:
            log.write(_COLOR.sub("", finished.stdout + finished.stderr))
        # Alone, a scenario ends with an error where its client did, unless it may.
        failed = finished.returncode != 0
        return replace(read_result(name, results, prefix=""), client_failed=failed)

    def run_authorization(
        self,
        issuer: str,
        spec: str,
        names: Iterable[str],
        results: Path,
        *,
        client_id: str,
        port: int,
        resource: str | None,
        open_link: Callable[[str], object],
    ) -> list[Scenario]:
        """Run every scenario for authorization servers against `issuer`; the results of `names`.

        `client_id` is that of a client with the redirect URI `http://127.0.0.1:PORT/callback`.
        `open_link` is called with the link that the suite asks a person to open, and comes back
        once the suite has the answer.
        """
        given = ["--client-id", client_id]
        if resource is not None:
            given += ["--resource", resource]
        command = self._command(
            *("authorization", "--url", issuer, "--port", str(port), *given),
            *("--spec-version", spec, "-o", str(results)),
        )
        with (
            (results / "suite.log").open("a") as log,
            subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            ) as process,
        ):
            # It waits minutes for an answer; past its time it is ended, and leaves no result.
            ending = threading.Timer(SCENARIO_TIMEOUT / 1000, process.terminate)
            ending.start()
            try:
                self._follow(process, log, port, open_link)
            finally:
                ending.cancel()
                process.terminate()
        return [read_result(name, results, prefix=AUTHORIZATION_PREFIX) for name in names]

    def _follow(
        self,
        process: subprocess.Popen[str],
        log: TextIO,
        port: int,
        open_link: Callable[[str], object],
    ) -> None:
        """Read what the suite says until it ends, and open the link that it says.

        It says it before it listens on `port` for the answer.
        """
        opened = False
        for line in process.stdout or ():
            log.write(_COLOR.sub("", line))
            if opened or not _LINK.fullmatch(line.strip()):
                continue
            opened = True
            try:
                while not _listens(port) and process.poll() is None:
                    time.sleep(PAUSE)
                open_link(line.strip())
            except (Lost, OSError) as error:
                # It goes on waiting, for nobody: ended now, it leaves no result.
                log.write(f"{error}\n")
                process.terminate()

    def _run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        try:
            return subprocess.run(
                self._command(*arguments),
                capture_output=True,
                text=True,
                stdin=subprocess.DEVNULL,
                timeout=SUITE_TIMEOUT,
            )
        except subprocess.TimeoutExpired as error:
            raise SuiteError(f"The suite did not finish in {SUITE_TIMEOUT} seconds.") from error

    def _command(self, *arguments: str) -> list[str]:
        script = self._package / "dist" / "index.js"
        return [str(self._node), "--import", str(LOOPBACK), str(script), *arguments]

    def _has(self, package: str, version: str) -> bool:
        manifest = self._home / "node_modules" / package / "package.json"
        try:
            return bool(json.loads(manifest.read_text())["version"] == version)
        except FileNotFoundError:
            return False

    def _npm(self, *arguments: str) -> None:
        npm = shutil.which("npm")
        if npm is None:
            raise SuiteError("npm is not installed; the conformance suite is an npm package.")
        quiet = ["--no-audit", "--no-fund", "--loglevel", "error"]
        if subprocess.run([npm, *arguments, *quiet], cwd=self._home).returncode:
            raise SuiteError(f"npm {' '.join(arguments)} failed; what it says above is the reason.")


def _listens(port: int) -> bool:
    try:
        socket.create_connection((HOST, port), timeout=PATIENCE).close()
    except ConnectionError:
        return False
    return True


def home() -> Path:
    """Where the suite is kept: $CONFORMANCE_HOME, or a directory among the user's caches."""
    given = os.environ.get("CONFORMANCE_HOME")
    return Path(given) if given else Path.home() / ".cache" / "mcp-conformance"


def read_result(name: str, results: Path, prefix: str = "server-") -> Scenario:
    """What the scenario `name` left in `results`. The name may have slashes."""
    time = "[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]T*"
    found = sorted(results.glob(f"{prefix}{name}-{time}/checks.json"))
    if not found:
        return Scenario(name=name, checks=None)
    raw = json.loads(found[-1].read_text())
    return Scenario(name=name, checks=tuple(_check(each) for each in raw))


def _check(raw: dict[str, Any]) -> Check:
    message = raw.get("errorMessage") or raw.get("description") or ""
    return Check(id=raw["id"], status=raw["status"], message=" ".join(message.split()))


def _said(finished: subprocess.CompletedProcess[str]) -> str:
    return _COLOR.sub("", finished.stderr or finished.stdout).strip()
