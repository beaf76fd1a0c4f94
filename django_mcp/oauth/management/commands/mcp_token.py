"""Personal tokens from the shell: `mcp_token create`, `mcp_token list`, `mcp_token revoke`.

For programs of a deployment, whose users have no browser at hand. What a token may be is what it
may be on the page of its user: `forms` says so.
"""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.exceptions import ObjectDoesNotExist
from django.core.management.base import BaseCommand, CommandError
from django.db import OperationalError, ProgrammingError
from django.db.models import QuerySet
from django.urls import get_script_prefix
from django.utils import timezone
from django.utils.module_loading import import_string

from ....default import server_named
from ....endpoints import is_ours
from ... import conf, personal, resources
from ...addresses import Site
from ...forms import TokenForm
from ...models import PersonalToken
from ...resources import Resource


class Command(BaseCommand):
    """Makes, lists and ends personal tokens."""

    help = "Makes a personal token for a user, lists those there are, or ends them."

    def add_arguments(self, parser: ArgumentParser) -> None:
        kinds = parser.add_subparsers(dest="what", required=True, metavar="create|list|revoke")
        create = kinds.add_parser("create", help="Make a token, and print it, this once.")
        create.add_argument("--user", required=True, help="Whom it speaks for.")
        create.add_argument("--name", required=True, help="What it is for, in lists.")
        create.add_argument("--resource", metavar="URL", help="The endpoint it is for.")
        create.add_argument("--server", help="The server it is for, in place of its URL.")
        create.add_argument(
            "--scope",
            action="append",
            default=[],
            metavar="SCOPE",
            help="A scope it has; may be repeated. Without any, it can do hardly anything.",
        )
        create.add_argument(
            "--days", help=f"How long it is good. By default {personal.USUAL_DAYS} days."
        )
        shown = kinds.add_parser("list", help="Show the tokens that are good, without secrets.")
        shown.add_argument("--user", help="Those of one user.")
        shown.add_argument("--all", action="store_true", help="Ended and expired ones as well.")
        ended = kinds.add_parser("revoke", help="End tokens, from the next request on.")
        ended.add_argument("number", nargs="*", type=int, help="Their numbers in the list.")
        ended.add_argument("--user", help="All those of one user.")

    def handle(self, *args: Any, what: str, **options: Any) -> None:
        try:
            {"create": self._create, "list": self._list, "revoke": self._revoke}[what](options)
        except (OperationalError, ProgrammingError) as error:
            raise CommandError(
                f"The database cannot be used: {error}. Is it the right one, and has manage.py "
                "migrate been run?"
            ) from error

    def _create(self, options: dict[str, Any]) -> None:
        if not conf.get().personal_tokens:
            raise CommandError(
                f'There are no personal tokens here: {conf.SETTING}["PERSONAL_TOKENS"] is False.'
            )
        user = _user(options["user"])
        if not user.is_active:
            raise CommandError(f"The user {options['user']!r} is not active: nobody is let in.")
        application = _application()
        resource = _resource(options["resource"], options["server"])
        longest = conf.get().personal_token_days
        form = TokenForm(
            [resource],
            {
                "name": options["name"],
                "resource": resource.url,
                "scopes": options["scope"],
                "days": options["days"] or min(personal.USUAL_DAYS, longest),
            },
        )
        if not form.is_valid():
            raise CommandError(_plain(_problems_of(form, resource)))
        del application
        token, secret = personal.issue(user, **form.cleaned_data)
        self._say(
            f"Token {token.pk} of {user} for {token.resource}, "
            f"{token.scopes or 'without scopes'}, until {token.expires:%Y-%m-%d}. "
            "It is not shown again."
        )
        self.stdout.write(secret)

    def _list(self, options: dict[str, Any]) -> None:
        tokens = _of(options["user"])
        if not options["all"]:
            tokens = tokens.filter(revoked=None, expires__gt=timezone.now())
        rows = [_row(each) for each in tokens.select_related("user").order_by("pk")]
        if not rows:
            self._say("There are none.")
            return
        head = ("", "user", "name", "begins with", "for", "scopes", "until", "last used")
        widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
        for row in (head, *rows):
            cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
            self.stdout.write("  ".join(cells).rstrip())

    def _revoke(self, options: dict[str, Any]) -> None:
        numbers = options["number"]
        if bool(numbers) == (options["user"] is not None):
            raise CommandError("Which? Name their numbers in the list, or --user for all of one.")
        tokens = _of(options["user"])
        if numbers:
            tokens = tokens.filter(pk__in=numbers)
            unknown = set(numbers) - set(tokens.values_list("pk", flat=True))
            if unknown:
                missing = ", ".join(map(str, sorted(unknown)))
                raise CommandError(f"There is no token {missing}; nothing was ended.")
        self._say(f"Ended: {personal.end(tokens)}")

    def _say(self, text: str) -> None:
        """To people: standard output is for what programs read."""
        self.stderr.write(_plain(text), lambda message: message)


def _user(username: str) -> Any:
    model = get_user_model()
    try:
        return model._default_manager.get_by_natural_key(username)
    except ObjectDoesNotExist:
        raise CommandError(f"There is no user {username!r}.") from None


def _of(username: str | None) -> QuerySet[PersonalToken]:
    tokens = PersonalToken.objects.all()
    return tokens if username is None else tokens.filter(user=_user(username))


def _application() -> object:
    """What has the endpoints next to Django, which are known for as long as it is held."""
    dotted = getattr(settings, "ASGI_APPLICATION", None)
    try:
        return import_string(dotted) if dotted else None
    except ImportError as error:
        raise CommandError(f"ASGI_APPLICATION {dotted!r} cannot be imported: {error}") from None


def _resource(url: str | None, server: str | None) -> Resource:
    """The endpoint that the options name; raises CommandError."""
    if url is not None and server is not None:
        raise CommandError("Name the endpoint or the server: --resource or --server.")
    if server is not None:
        try:
            server_named(server)
        except LookupError as error:
            raise CommandError(error.args[0]) from None
    origin = _origin(url or conf.get().issuer)
    if origin is None:
        raise CommandError(
            "Name the endpoint, as in --resource https://example.com/mcp: "
            f'{conf.SETTING}["ISSUER"] does not say what host this is.'
            if url is None
            else f"--resource {url!r}: write the whole URL, as in https://example.com/mcp."
        )
    if not is_ours(urlsplit(origin).netloc):
        raise CommandError(f"{origin} is not this project: ALLOWED_HOSTS does not have the host.")
    site = Site(origin, get_script_prefix().rstrip("/"))
    found = resources.only(site, server) if url is None else resources.find(site, url)
    if found is None:
        every = ", ".join(each.url for each in resources.every(site))
        given = f"--resource {url!r}" if url else f"--server {server!r}" if server else "--resource"
        raise CommandError(
            f"{given}: name one of the endpoints that tokens let into: {every}."
            if every
            else f"{given}: no endpoint that tokens let into is known here. Those next to Django "
            "are found where ASGI_APPLICATION names the application that has them."
        )
    return found


def _origin(url: str | None) -> str | None:
    try:
        parts = urlsplit(url or "")
    except ValueError:
        return None
    whole = parts.scheme in ("http", "https") and parts.netloc
    return f"{parts.scheme}://{parts.netloc}" if whole else None


def _problems_of(form: TokenForm, resource: Resource) -> str:
    problems = []
    for field, errors in form.errors.items():
        said = " ".join(map(str, errors))
        if field == "scopes":
            scopes = ", ".join(resource.scopes()) or "none here"
            problems.append(f"--scope: {said} There is {scopes}.")
        else:
            problems.append(f"--{field}: {said}")
    return " ".join(problems)


def _row(token: PersonalToken) -> tuple[str, ...]:
    state = " (ended)" if token.revoked else ""
    used = f"{token.used:%Y-%m-%d %H:%M}" if token.used else "never"
    cells = (
        str(token.pk),
        str(token.user),
        token.name,
        f"{token.shown}…",
        token.resource,
        token.scopes or "-",
        f"{token.expires:%Y-%m-%d}{state}",
        used,
    )
    return tuple(map(_plain, cells))


def _plain(text: str) -> str:
    """On one line, and without what a terminal takes for a command: users name their tokens, and
    often themselves."""
    return "".join(char if char.isprintable() else " " for char in text)
