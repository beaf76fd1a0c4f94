"""Who is let in: what a client without a token is told, and whether the one that was given counts.

The documents a client finds its way by: RFC 9728 (of the resource) and RFC 8414 (of the
authorization server), as 2026-07-28, basic/authorization wants them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Awaitable
from contextlib import suppress
from typing import Any, Final
from urllib.parse import urlsplit

from ...authentication import HttpRequest, Principal, authenticator
from ...backends.threads import DjangoWorkers
from ...transports.http.types import read_headers
from .findings import Report, shortened
from .visiting import Answer, Unreached, Visitor

_METADATA: Final = re.compile(r'resource_metadata="([^"]+)"')
#: Authorization servers that are looked at.
MOST_SERVERS: Final = 3


async def check_admission(visitor: Visitor, first: Answer, report: Report) -> Answer | None:
    """The answer to a client that says who it is; None where it gets no further.

    `first` is the answer to one that did not.
    """
    if first.status == 401:
        await _check_challenge(visitor, first, report)
        if not visitor.headers:
            report.note(
                "authentication",
                "Without a token, nothing more can be asked.",
                'Give one: --token TOKEN, or --header "NAME: VALUE".',
            )
            return None
    elif first.status == 403:
        _refused(first, report)
        if not visitor.headers:
            return None
    elif first.result is not None:
        report.note(
            "authentication",
            "Everybody may come in: no token is asked for.",
            "If that is not meant, set AUTHENTICATION of DJANGO_MCP.",
        )
        if not visitor.headers:
            return first
    try:
        answer = await visitor.discover()
    except Unreached as error:
        report.wrong("authentication", f"With the token: {error}.", "Look at the server's log.")
        return None
    if answer.status == 401:
        if await _is_taken_here(visitor):
            report.wrong(
                "authentication",
                "The token is refused (401), and the authentication of this process takes it.",
                "The proxy does not pass the header on (Apache with mod_wsgi: "
                "WSGIPassAuthorization On), or the running server has other settings.",
            )
        else:
            report.wrong(
                "authentication",
                "The token is refused (401), and so it is by the authentication of this process.",
                "It is wrong or expired, or AUTHENTICATION of DJANGO_MCP does not know its kind.",
            )
        return None
    if answer.status == 403:
        _refused(answer, report)
        return None
    if first.status == 401 and answer.result is not None:
        report.ok("authentication", "The token is accepted.")
    return answer


async def _is_taken_here(visitor: Visitor) -> bool:
    """Whether the project's authentication lets in who sends these headers."""
    sent = [(name.lower().encode(), value.encode()) for name, value in visitor.headers.items()]
    parts = visitor.parts
    request = HttpRequest(
        "POST", parts.scheme, parts.path, read_headers(sent), {}, None, None, True, ""
    )
    try:
        found = authenticator(None, DjangoWorkers(1))(request)
        found = await found if isinstance(found, Awaitable) else found
    except Exception:
        return False  # It refuses, or wants more of a request than this one has.
    return isinstance(found, Principal)


def _refused(answer: Answer, report: Report) -> None:
    if "no authentication configured" in answer.error_text:
        advice = "Set AUTHENTICATION of DJANGO_MCP: outside DEBUG nobody comes in until you do."
    elif answer.message is None:
        advice = "This is the proxy's answer, not the endpoint's: look at its rules."
    else:
        advice = "The authentication of this project turned the caller away."
    text = shortened(answer.error_text or answer.title or "no reason given")
    report.wrong("authentication", f"Nobody is let in (403): {text}", advice)


async def _check_challenge(visitor: Visitor, first: Answer, report: Report) -> None:
    challenge = first.headers.get("www-authenticate")
    if challenge is None:
        report.wrong(
            "authentication",
            "401 without WWW-Authenticate: clients do not learn what is asked for.",
            "The endpoint sends it, so something on the way takes it out, or answers itself.",
        )
        challenge = ""
    else:
        report.ok("authentication", "Without a token: 401, with WWW-Authenticate.")
    named = _METADATA.search(challenge)
    path = visitor.parts.path.rstrip("/")
    places = [f"{visitor.origin}/.well-known/oauth-protected-resource{path}"]
    places += [f"{visitor.origin}/.well-known/oauth-protected-resource"] if path else []
    found = await _document(visitor, [named[1]] if named else places)
    if found is None:
        if named is not None:
            report.wrong(
                "discovery",
                f"WWW-Authenticate names {shortened(named[1])}, and no JSON is there.",
                "Route /.well-known/ to the project as well.",
            )
        else:
            report.note(
                "discovery",
                "There is no document of the resource (RFC 9728).",
                "Clients that log their user in by OAuth cannot; those with a token need none.",
            )
        return
    await _check_resource(visitor, *found, report)


async def _check_resource(
    visitor: Visitor, place: str, document: dict[str, Any], report: Report
) -> None:
    resource = document.get("resource")
    if not isinstance(resource, str) or resource.rstrip("/") != visitor.url.rstrip("/"):
        report.wrong(
            "discovery",
            f"{place} is about {shortened(repr(resource))}, and clients use {visitor.url}.",
            "They must be equal (RFC 9728, section 3.3): clients refuse it otherwise. Where scheme "
            "or host differ, the server does not know by which URL it is reached.",
        )
    else:
        report.ok("discovery", "The document of the resource names this URL.")
    servers = document.get("authorization_servers")
    if not isinstance(servers, list) or not servers:
        report.wrong(
            "discovery",
            "The document of the resource names no authorization server.",
            "Add authorization_servers to it (RFC 9728, section 2).",
        )
        return
    for issuer in servers[:MOST_SERVERS]:
        await _check_issuer(visitor, str(issuer), report)


async def _check_issuer(visitor: Visitor, issuer: str, report: Report) -> None:
    parts = urlsplit(issuer)
    origin, path = f"{parts.scheme}://{parts.netloc}", parts.path.rstrip("/")
    found = await _document(
        visitor,
        [
            f"{origin}/.well-known/oauth-authorization-server{path}",
            f"{origin}/.well-known/openid-configuration{path}",
            f"{origin}{path}/.well-known/openid-configuration",
        ],
    )
    shown = shortened(issuer)
    if found is None:
        report.wrong(
            "discovery",
            f"The authorization server {shown} has no document (RFC 8414).",
            "Route /.well-known/ of its host to it; with a path in the issuer, the path follows "
            "behind /.well-known/oauth-authorization-server.",
        )
        return
    place, document = found
    if document.get("issuer") != issuer:
        report.wrong(
            "discovery",
            f"{place} says the issuer is {shortened(repr(document.get('issuer')))}, not {shown!r}.",
            "They must be equal, to the last slash (RFC 8414, section 3.3).",
        )
        return
    missing = [key for key in ("authorization_endpoint", "token_endpoint") if key not in document]
    if "S256" not in (document.get("code_challenge_methods_supported") or ()):
        missing.append('"S256" in code_challenge_methods_supported')
    if missing:
        report.wrong(
            "discovery",
            f"The document of {shown} lacks {', '.join(missing)}.",
            "Clients of MCP refuse an authorization server without it.",
        )
    else:
        report.ok("discovery", f"The authorization server {shown} can be found.")


async def _document(visitor: Visitor, places: list[str]) -> tuple[str, dict[str, Any]] | None:
    """The first JSON object at one of `places`, which are asked without a token."""
    for place in places:
        if urlsplit(place).scheme not in {"http", "https"}:
            continue
        with suppress(Unreached, ValueError, RecursionError):
            answer = await visitor.ask("GET", {"accept": "application/json"}, url=place)
            document = json.loads(answer.text) if answer.status == 200 else None
            if isinstance(document, dict):
                return place, document
    return None
