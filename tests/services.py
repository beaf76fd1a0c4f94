"""PostgreSQL, MariaDB and Redis for the tests: started when first needed, ended by their id.

Each is a process of its own in a directory of its own, on a free port of the loopback interface,
and keeps nothing. `postgres()`, `mariadb()` and `redis()` start one; the fixtures `postgres` and
`redis` (tests/conftest.py) share one among all the tests that use it, and skip them where the
programs are not installed.
"""

from __future__ import annotations

import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

HOST: Final = "127.0.0.1"
#: Seconds a service may take to be ready, or to end.
PATIENCE: Final = 30.0

_USER: Final = "mcp"


class Missing(Exception):
    """The programs of a service, or what speaks to it, are not installed."""


class Service:
    """A process that serves a port, which can be stopped and started again."""

    #: What it writes when it is ready.
    ready = "ready to accept connections"
    #: What has it end at once, without waiting for its clients.
    stop_signal = signal.SIGINT

    def __init__(self, command: Sequence[str], port: int, user: str | None = None) -> None:
        self.port = port
        self._command = command
        self._user = user
        self._process: subprocess.Popen[str] | None = None

    def start(self) -> None:
        """Start it, and wait until it is ready."""
        process = subprocess.Popen(
            self._command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            **_as_user(self._user),
        )
        self._process = process
        written: list[str] = []
        heard = threading.Event()

        def listen() -> None:
            assert process.stdout is not None
            with process.stdout as lines:
                for line in lines:
                    if not heard.is_set():
                        written.append(line)
                    if self.ready in line:
                        heard.set()
            heard.set()

        threading.Thread(target=listen, daemon=True).start()
        if not heard.wait(PATIENCE) or process.poll() is not None:
            self.stop()
            raise RuntimeError(f"{self._command[0]} did not start:\n{''.join(written)}")

    def stop(self) -> None:
        """End it, and wait until it has ended; what was connected is cut off."""
        process, self._process = self._process, None
        if process is None:
            return
        process.send_signal(self.stop_signal)
        try:
            process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(PATIENCE)


class Postgres(Service):
    """A PostgreSQL cluster with nothing in it."""

    def new_database(self) -> dict[str, Any]:
        """An entry of DATABASES, for a database of the caller's own."""
        import psycopg

        name = f"mcp_{secrets.token_hex(4)}"
        where = {"host": HOST, "port": self.port, "user": _USER, "dbname": "postgres"}
        with psycopg.connect(**where, autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}")
        return {
            "ENGINE": "django.db.backends.postgresql",
            "NAME": name,
            "USER": _USER,
            "PASSWORD": "",
            "HOST": HOST,
            "PORT": str(self.port),
        }


class MariaDB(Service):
    """A MariaDB server with nothing in it."""

    ready = "ready for connections"
    stop_signal = signal.SIGTERM

    def new_database(self) -> dict[str, Any]:
        """An entry of DATABASES, for a database of the caller's own."""
        import MySQLdb

        name = f"mcp_{secrets.token_hex(4)}"
        connection = MySQLdb.connect(host=HOST, port=self.port, user="root")
        try:
            connection.cursor().execute(f"CREATE DATABASE {name} CHARACTER SET utf8mb4")
        finally:
            connection.close()
        return {
            "ENGINE": "django.db.backends.mysql",
            "TEST": {"CHARSET": "utf8mb4"},
            "NAME": name,
            "USER": "root",
            "PASSWORD": "",
            "HOST": HOST,
            "PORT": str(self.port),
        }


class Redis(Service):
    """A Redis server with nothing in it."""

    ready = "Ready to accept connections"
    stop_signal = signal.SIGTERM

    @property
    def url(self) -> str:
        """Where it is, as clients are told."""
        return f"redis://{HOST}:{self.port}/0"


@contextmanager
def postgres() -> Iterator[Postgres]:
    """A cluster that runs meanwhile; raises Missing."""
    try:
        import psycopg  # noqa: F401
    except ImportError:
        raise Missing("psycopg is not installed") from None
    programs = _postgres_programs()
    # PostgreSQL refuses to run as root.
    user = _unprivileged() if os.getuid() == 0 else None
    with _directory(user) as directory:
        options = ["--username", _USER, "--auth", "trust", "--no-sync", "--encoding", "UTF8"]
        subprocess.run(
            [str(programs / "initdb"), "--pgdata", str(directory / "data"), *options],
            check=True,
            capture_output=True,
            timeout=PATIENCE,
            cwd=directory,
            **_as_user(user),
        )
        port = free_port()
        given = {"fsync": "off", "listen_addresses": HOST, "unix_socket_directories": ""}
        command = [str(programs / "postgres"), "-D", str(directory / "data"), "-p", str(port)]
        command += [part for name, value in given.items() for part in ("-c", f"{name}={value}")]
        yield from _running(Postgres(command, port, user))


@contextmanager
def mariadb() -> Iterator[MariaDB]:
    """A server that runs meanwhile; raises Missing."""
    try:
        import MySQLdb  # noqa: F401
    except ImportError:
        raise Missing("mysqlclient is not installed") from None
    install, server = (
        shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin")
        for name in ("mariadb-install-db", "mariadbd")
    )
    if install is None or server is None:
        raise Missing("mariadbd is not installed")
    # It does not run as root unless it is told to.
    user = _unprivileged() if os.getuid() == 0 else None
    with _directory(user) as directory:
        data, port = f"--datadir={directory / 'data'}", free_port()
        subprocess.run(
            [install, "--no-defaults", data, "--auth-root-authentication-method=normal"],
            check=True,
            capture_output=True,
            timeout=PATIENCE,
            cwd=directory,
            **_as_user(user),
        )
        options = [f"--port={port}", f"--bind-address={HOST}", "--skip-name-resolve"]
        options.append(f"--socket={directory / 'socket'}")
        yield from _running(MariaDB([server, "--no-defaults", data, *options], port, user))


@contextmanager
def redis() -> Iterator[Redis]:
    """A server that runs meanwhile; raises Missing."""
    program = shutil.which("redis-server")
    if program is None:
        raise Missing("redis-server is not installed")
    with _directory(None) as directory:
        port = free_port()
        options = ["--port", str(port), "--bind", HOST, "--save", "", "--dir", str(directory)]
        yield from _running(Redis([program, *options], port))


def free_port() -> int:
    """A port of the loopback interface that nobody uses at the moment."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port


def _running(service: Any) -> Iterator[Any]:
    service.start()
    try:
        yield service
    finally:
        service.stop()


@contextmanager
def _directory(user: str | None) -> Iterator[Path]:
    directory = Path(tempfile.mkdtemp(prefix="django-mcp-"))
    try:
        if user is not None:
            shutil.chown(directory, user)
        yield directory
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def _as_user(user: str | None) -> dict[str, Any]:
    """What starts a process as `user`; None for the user of the tests."""
    if user is None:
        return {}
    return {"user": user, "group": pwd.getpwnam(user).pw_gid, "extra_groups": []}


def _unprivileged() -> str:
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name).pw_name
        except KeyError:
            continue
    raise Missing("there is no user postgres or nobody, and PostgreSQL refuses to run as root")


def _postgres_programs() -> Path:
    """The directory that has initdb and postgres, of the newest version that is installed."""
    found = [path.parent for path in Path("/usr/lib/postgresql").glob("*/bin/initdb")]
    found.sort(key=lambda path: int(path.parent.name) if path.parent.name.isdigit() else 0)
    on_path = shutil.which("initdb")
    if on_path is not None:
        found.append(Path(on_path).parent)
    asked = shutil.which("pg_config")
    if asked is not None:
        answer = subprocess.run(
            [asked, "--bindir"], capture_output=True, text=True, timeout=PATIENCE
        )
        found.append(Path(answer.stdout.strip()))
    for directory in reversed(found):
        if (directory / "initdb").exists() and (directory / "postgres").exists():
            return directory
    raise Missing("PostgreSQL is not installed")
