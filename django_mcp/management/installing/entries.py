"""What a host is told of this project: how to start it, or where it is served."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from django.core.exceptions import ValidationError
from django.core.management.base import CommandError
from django.core.validators import URLValidator

from ...protocol.problems import shown_url
from ...transports.http.hosts import Entry, Host
from ..named import headers_of

#: What every host takes for a name.
NAME: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")
_VARIABLE: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def name_of(given: str | None, server: str) -> str:
    """The name under which a host is to know the server; raises CommandError."""
    name = re.sub(r"[^A-Za-z0-9_-]+", "-", server).strip("-")[:64] if given is None else given
    if not NAME.fullmatch(name):
        raise CommandError(
            f"--name {name!r}: a name is 1 to 64 letters, digits, hyphens and underscores."
        )
    return name


def served(host: Host, url: str, headers: Iterable[str]) -> Entry:
    """The entry for the endpoint at `url`; raises CommandError for what is none."""
    try:
        if not url.isprintable():
            raise ValidationError("A terminal would be given commands.")
        URLValidator(schemes=["http", "https"])(_with_a_dot(url))
    except (ValidationError, ValueError):
        raise CommandError(
            f"--url {shown_url(url)}: give the whole URL of the endpoint, such as "
            "https://example.com/mcp."
        ) from None
    return host.at_url(url, headers_of(headers))


def _with_a_dot(url: str) -> str:
    """`url` with a host that Django takes for one: names without a dot are hosts in a network."""
    parts = urlsplit(url)
    host = parts.hostname
    if not host or "." in host or ":" in host:
        return url
    # What stands before the host, a name and a password, is Django's to judge as well.
    user, at, rest = parts.netloc.rpartition("@")
    _, colon, port = rest.partition(":")
    return parts._replace(netloc=f"{user}{at}{host}.test{colon}{port}").geturl()


def started(
    host: Host, server: str | None, user: str | None, environment: Mapping[str, str]
) -> Entry:
    """The entry for `manage.py mcp_stdio` of this project, in this environment of Python's."""
    command, env = this_project()
    arguments = [*command[1:], "mcp_stdio"]
    for option, value in (("--server", server), ("--user", user)):
        if value is not None:
            # Said as two words, a name that begins with a hyphen would be taken for an option.
            arguments += [f"{option}={value}"] if value.startswith("-") else [option, value]
    return host.started(command[0], arguments, {**env, **environment})


def environment_of(given: Iterable[str]) -> dict[str, str]:
    """The variables of "NAME=value", or "NAME" for what it is now; raises CommandError."""
    found = {}
    for each in given:
        name, equals, value = each.partition("=")
        if not _VARIABLE.fullmatch(name):
            raise CommandError(f'--env {name!r}: write "NAME=value", or "NAME" to take it as is.')
        if not equals and name not in os.environ:
            raise CommandError(f"--env {name}: there is no such variable here; give it a value.")
        found[name] = value if equals else os.environ[name]
    return found


def this_project() -> tuple[list[str], dict[str, str]]:
    """What starts a command of this project from anywhere: the program, and its environment."""
    env = {}
    settings = os.environ.get("DJANGO_SETTINGS_MODULE")
    if settings:
        env["DJANGO_SETTINGS_MODULE"] = settings
    # Not resolved: the python of a virtual environment is a link, and what it links to is not.
    script = Path(sys.argv[0])
    if script.suffix == ".py" and script.name != "__main__.py" and script.is_file():
        return [sys.executable, os.path.abspath(script)], env
    # `django-admin` and `python -m django` find the project by the path of imports.
    env["PYTHONPATH"] = os.environ.get("PYTHONPATH") or os.getcwd()
    return [sys.executable, "-m", "django"], env
