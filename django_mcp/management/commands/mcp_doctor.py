"""manage.py mcp_doctor: what is wrong with this project's deployment, and what to do about it.

Owns the options, what is printed, and the exit status. What is looked at is `doctor`.
"""

from __future__ import annotations

import asyncio
import json
from argparse import ArgumentParser, ArgumentTypeError
from typing import Any, Final
from urllib.parse import urlsplit

from django.core.management.base import BaseCommand, CommandError

from ..doctor.examination import examine
from ..doctor.findings import Finding, Report, secrets_of
from ..doctor.project import check_project
from ..doctor.visiting import Visitor
from ..named import headers_of, is_url

LONGEST_IDLE: Final = 600.0


class Command(BaseCommand):
    """Prints a line for each thing it looked at; ends with status 1 where something is wrong."""

    help = (
        "Says what is wrong with this project's MCP servers, and what to do about it. With the URL "
        "of the endpoint it asks the running deployment, as a client would."
    )
    # They are a part of what is looked at.
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "url", nargs="?", help="The endpoint, as clients know it: https://example.com/mcp."
        )
        parser.add_argument("--token", help="Sent as Authorization: Bearer. Never printed.")
        parser.add_argument(
            "--header",
            action="append",
            default=[],
            metavar="'NAME: VALUE'",
            help="A header of each request, such as one with a token. May be given several times.",
        )
        parser.add_argument(
            "--timeout",
            type=_seconds,
            default=5.0,
            metavar="SECONDS",
            help="How long to wait for an answer, or for the beginning of a stream. 5 by default.",
        )
        parser.add_argument(
            "--idle",
            type=_seconds,
            default=0.0,
            metavar="SECONDS",
            help="Look for so long whether a stream on which little happens stays open.",
        )
        parser.add_argument(
            "--insecure",
            action="store_true",
            help="Take any certificate. Tokens are not sent to whoever has it.",
        )
        parser.add_argument("--json", action="store_true", help="Print JSON for programs.")

    def handle(
        self,
        *args: Any,
        url: str | None,
        token: str | None,
        header: list[str],
        timeout: float,
        idle: float,
        insecure: bool,
        json: bool,
        verbosity: int,
        **options: Any,
    ) -> None:
        headers = headers_of(header)
        if token is not None:
            headers |= headers_of([f"Authorization: Bearer {token}"])
        report = Report(secrets=secrets_of(headers.values()))
        visitor = None
        if url is not None:
            _check_url(url)
            visitor = Visitor(url, headers, timeout=timeout, verify=not insecure)
        elif headers:
            raise CommandError("--token and --header are for a URL: give that of the endpoint.")
        asyncio.run(_examine(visitor, report, idle))
        if json:
            self.stdout.write(_json(url, report))
        else:
            for finding in report.findings:
                self._say(finding, verbosity)
        wrong = sum(finding.level == "wrong" for finding in report.findings)
        if wrong:
            raise CommandError(f"{wrong} {'thing is' if wrong == 1 else 'things are'} wrong.")

    def _say(self, finding: Finding, verbosity: int) -> None:
        if verbosity == 0 and finding.level != "wrong":
            return
        style = {
            "ok": self.style.SUCCESS,
            "note": self.style.WARNING,
            "wrong": self.style.ERROR,
        }[finding.level]
        line = f"{style(f'{finding.level:<5}')} {finding.check}: {finding.text}"
        self.stdout.write(f"{line} {finding.advice}".rstrip())


async def _examine(visitor: Visitor | None, report: Report, idle: float) -> None:
    is_public = visitor is not None and not visitor.is_local
    await check_project(report, is_public=is_public)
    if visitor is not None:
        await examine(visitor, report, idle=idle)


def _check_url(url: str) -> None:
    if not is_url(url, {"http", "https"}):
        raise CommandError(
            f"{url!r} is no URL of an endpoint: write it whole, such as https://example.com/mcp."
        )
    parts = urlsplit(url)
    if parts.username or parts.password:
        raise CommandError("Leave the password out of the URL: --header takes what is secret.")


def _seconds(text: str) -> float:
    try:
        found = float(text)
    except ValueError:
        raise ArgumentTypeError(f"{text!r} is no number of seconds") from None
    if not 0 < found <= LONGEST_IDLE:
        raise ArgumentTypeError(f"{text!r}: from more than 0 to {LONGEST_IDLE:g} seconds")
    return found


def _json(url: str | None, report: Report) -> str:
    found = {
        "url": url,
        "well": report.is_well,
        "findings": [finding.as_json() for finding in report.findings],
    }
    return json.dumps(found, indent=2, ensure_ascii=False)
