"""The way to the endpoint: the connection, the route, the names it is served under."""

from __future__ import annotations

import re
import ssl
import time
from collections.abc import Mapping
from html import unescape
from types import MappingProxyType
from typing import Final
from urllib.parse import urljoin, urlsplit

from .findings import Report, shortened
from .visiting import Answer, Unreached, Visitor

#: What to do where there was no answer, by the reason.
ADVICE: Final[Mapping[str, str]] = MappingProxyType(
    {
        "certificate": "Clients refuse it as well. Have a certificate of an authority that they "
        "know, for this name, with its intermediates. Where it is your own authority's, name its "
        "file in SSL_CERT_FILE; --insecure goes on all the same.",
        "tls": "The port does not speak TLS as clients do: look at the proxy's configuration, or "
        "use http:// for a port without TLS.",
        "name": "Look at the URL, and at the DNS.",
        "refused": "Start the server, and look at the port in the URL.",
        "timeout": "The server hangs, or a firewall drops what is sent to this port.",
        "closed": "Something that does not speak HTTP listens there, or the server ended.",
        "unreachable": "Look at the URL and at the network.",
    }
)
#: Days for which a certificate should be valid at least.
SOON: Final = 14
NOWHERE: Final = "mcp-doctor.invalid"
_PASTED: Final = re.compile(r"<pre>(https?://[^<]+)</pre>")


async def first_contact(visitor: Visitor, report: Report) -> Answer | None:
    """Ask the endpoint who it is, without saying who asks; None where no client gets any further.

    Finds whether there is a connection, and whether it is the endpoint that answers.
    """
    try:
        answer = await visitor.discover(announced=False)
    except Unreached as error:
        check = "tls" if error.reason in {"certificate", "tls"} else "connection"
        report.wrong(check, f"{visitor.origin}: {error}.", ADVICE[error.reason])
        return None
    _check_tls(visitor, answer, report)
    problem = _misrouted(visitor, answer)
    if problem is not None:
        report.wrong("routing", *problem)
        return None
    report.ok("routing", f"The endpoint is at {visitor.url}.")
    return answer


def _check_tls(visitor: Visitor, answer: Answer, report: Report) -> None:
    if visitor.parts.scheme != "https":
        if not visitor.is_local:
            report.wrong(
                "tls",
                "The URL begins with http://, so tokens and answers can be read on the way.",
                "Serve the endpoint under https://; hosts refuse anything else, too.",
            )
        return
    ends = answer.certificate.get("notAfter")
    if not ends:
        report.note("tls", "The certificate was not verified.", "Leave --insecure out.")
        return
    days = int((ssl.cert_time_to_seconds(ends) - time.time()) // 86400)
    if days < SOON:
        report.wrong("tls", f"The certificate ends in {days} days.", "Renew it.")
    else:
        report.ok("tls", f"The certificate is valid, for {days} days more.")


def _misrouted(visitor: Visitor, answer: Answer) -> tuple[str, str] | None:
    """What answered in the place of the endpoint, and what to do; None where the endpoint did."""
    status, location = answer.status, answer.headers.get("location")
    if 300 <= status < 400:
        return _redirected(visitor, status, location or "")
    if answer.message is not None or status == 401:
        return None
    what = f"{status}" + (f", a page titled {shortened(answer.title)!r}" if answer.title else "")
    if answer.asks_to_log_in:
        return (
            f"A login page answers ({what}).",
            "Clients cannot fill it in: take the endpoint out of what asks for a login "
            "(LoginRequiredMiddleware, or the proxy's own), and let AUTHENTICATION decide.",
        )
    if status == 404:
        return (
            f"Nothing is there ({what}).",
            "Look at the path of the URL: `manage.py mcp_list` says which path leads to which "
            "server. Where the path is right, the proxy or the server process runs something else.",
        )
    if status == 405:
        return (
            "405: what is there takes no POST.",
            "It is another view, or a proxy that lets only GET through.",
        )
    if status == 400 and "HTTPS port" in answer.text:
        return ("The port speaks TLS, and the URL begins with http://.", "Use https://.")
    if status == 400 and answer.is_html:
        return (
            f"Django refuses the host name {visitor.parts.hostname!r} (400).",
            "Add it to ALLOWED_HOSTS, or have the proxy pass the Host header on.",
        )
    if status == 403 and "CSRF" in answer.text:
        return (
            "403: Django asks for a CSRF token.",
            "Another view answers there: the endpoint asks for none. Look at the path.",
        )
    if status == 413:
        return ("413: even a small body is too large.", "Look at the limit of the proxy.")
    if status in {502, 503, 504}:
        return (
            f"{status}: the proxy gets no answer from the server behind it.",
            "Start the server, and look at where the proxy passes requests on to.",
        )
    if status >= 500:
        return (f"The server fails ({what}).", "Look at its log.")
    if answer.is_html:
        return (
            f"A page for people answers ({what}).",
            "The URL leads to something else: `manage.py mcp_list` says what is where.",
        )
    return (
        f"{status} with {answer.media_type or 'no media type'}: this is no answer of MCP.",
        "The URL leads to something else, or a proxy answers by itself.",
    )


def _redirected(visitor: Visitor, status: int, location: str) -> tuple[str, str]:
    target = urljoin(visitor.url, location)
    parts = urlsplit(target)
    here = visitor.parts
    text = f"{status}: the endpoint redirects to {shortened(target)}"
    if parts.netloc == here.netloc and parts.path == here.path and parts.scheme != here.scheme:
        return f"{text}.", f"Give clients the URL {shortened(target)}: many follow no redirect."
    if parts.path.rstrip("/") == here.path.rstrip("/"):
        return (
            f"{text}, which differs by a slash.",
            f"Give clients the URL {shortened(target)}, or have the proxy leave paths alone.",
        )
    if re.search(r"log-?in|sign-?in|auth|sso", parts.path, re.I) or "next=" in parts.query:
        return (
            f"{text}, to log in.",
            "Clients cannot: take the endpoint out of what asks for a login "
            "(LoginRequiredMiddleware, or the proxy's own), and let AUTHENTICATION decide.",
        )
    return (
        f"{text}.",
        "Clients do not follow it with what they sent: give them the URL it leads to.",
    )


async def check_hosts(visitor: Visitor, report: Report) -> None:
    """Under which name the server believes it is reached, and whether it takes any other."""
    await _check_own_name(visitor, report)
    try:
        answer = await visitor.discover(headers={"host": NOWHERE}, announced=False)
    except Unreached:
        report.ok("host", "Another host name is not answered.")
        return
    if _got_through(answer):
        report.wrong(
            "host",
            f"A request for the host {NOWHERE!r} is answered ({answer.status}).",
            "Name your hosts in ALLOWED_HOSTS, without '*'; and have the proxy pass on the Host "
            "that the client sent, not its own.",
        )
    else:
        report.ok("host", f"Another host name is refused ({answer.status}).")


def _got_through(answer: Answer) -> bool:
    """True where a request got past the checks of where it comes from, whatever became of it."""
    known = answer.status == 401 or answer.message is not None
    return known and answer.status not in {403, 421}


async def _check_own_name(visitor: Visitor, report: Report) -> None:
    """The page for people has the URL as the server sees it, which a proxy may change."""
    try:
        page = await visitor.ask("GET", {"accept": "text/html"}, announced=False)
    except Unreached:
        return
    found = _PASTED.search(page.text) if page.status == 200 and page.is_html else None
    if found is None:
        return
    seen, own = urlsplit(unescape(found[1])), visitor.parts
    if seen.scheme != own.scheme:
        report.wrong(
            "host",
            f"The server takes requests for {seen.scheme}://, and clients use {own.scheme}://.",
            "Have the proxy set X-Forwarded-Proto, and set SECURE_PROXY_SSL_HEADER = "
            '("HTTP_X_FORWARDED_PROTO", "https").',
        )
    if seen.netloc.lower() != visitor.parts.netloc.rpartition("@")[2].lower():
        report.wrong(
            "host",
            f"The server is reached as {own.netloc!r}, and believes that it is {seen.netloc!r}.",
            "Have the proxy pass the Host header on (nginx: proxy_set_header Host $http_host), or "
            "send X-Forwarded-Host with USE_X_FORWARDED_HOST = True.",
        )
    elif seen.path.rstrip("/") != own.path.rstrip("/"):
        report.wrong(
            "host",
            f"The path is {own.path!r} for clients, and {seen.path!r} for the server.",
            "Tell the server the prefix the proxy takes away: --root-path, or FORCE_SCRIPT_NAME.",
        )
    else:
        report.ok("host", "The server knows the URL by which it is reached.")


async def check_origins(visitor: Visitor, allowed: tuple[str, ...], report: Report) -> None:
    """Pages of other sites are refused, and those of `allowed` are not."""
    foreign = f"https://{NOWHERE}"
    for origin, wanted in [(foreign, False), *((each, True) for each in allowed[:3])]:
        try:
            answer = await visitor.discover(headers={"origin": origin}, announced=False)
        except Unreached as error:
            report.wrong("origin", f"With an Origin: {error}.", ADVICE[error.reason])
            return
        passed = _got_through(answer)
        if passed and not wanted:
            report.wrong(
                "origin",
                f"A page of {origin} may call this server ({answer.status}).",
                "The proxy takes the Origin header away, or ALLOWED_ORIGINS of DJANGO_MCP allows "
                "too much: any site that a user visits could use the server.",
            )
        elif wanted and not passed:
            report.wrong(
                "origin",
                f"A page of {origin} is refused ({answer.status}), and ALLOWED_ORIGINS names it.",
                "The running server has other settings, or the proxy refuses it.",
            )
        else:
            done = "accepted" if passed else "refused"
            report.ok("origin", f"A page of {origin} is {done} ({answer.status}).")
