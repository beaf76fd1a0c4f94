"""A user's browser, played by a program: it follows a link, logs in, and answers the consent page.

    python tests/browser.py [--user NAME] [--password WORD] [--deny] [--leave-out SCOPE] URL

goes to the link of an OAuth client and on to where the answer leads, as a person's browser would;
with `--stay` it prints where that is, and stays.
Programs that open one take it as `BROWSER`. Needs the standard library alone, so that it runs with
whatever Python is at hand, and talks to loopback addresses only. What people see of the pages is
not looked at here.
"""

from __future__ import annotations

import argparse
import re
import sys
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from html import unescape
from http.cookiejar import CookieJar
from typing import IO, Any, Final
from urllib.parse import parse_qs, urlencode, urljoin, urlsplit

#: Seconds for an answer.
PATIENCE: Final = 30.0
LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "::1"})

_HIDDEN: Final = re.compile(r'<input type="hidden" name="([^"]+)" value="([^"]*)"')
_ACTION: Final = re.compile(r'<form method="post" action="([^"]+)"')
_TICKED: Final = re.compile(r'name="scope" value="([^"]+)" checked>')


class Lost(Exception):
    """The link led somewhere else than to a consent page; the text says where."""


class Browser:
    """Somebody with an account, who stays logged in from one link to the next.

    `leaves_out` is a scope whose box they clear. `asked` has the scopes of each link, in order.
    """

    def __init__(
        self,
        user: str = "anna",
        password: str = "secret",
        *,
        decision: str = "allow",
        leaves_out: str = "",
    ) -> None:
        self.asked: list[str] = []
        self._account = {"username": user, "password": password}
        self._decision = decision
        self._leaves_out = leaves_out
        self._opener = urllib.request.build_opener(
            urllib.request.ProxyHandler({}),
            urllib.request.HTTPCookieProcessor(CookieJar()),
            _OnSite(),
        )

    def answer(self, link: str) -> str:
        """Follow `link`, answer the page, and return where that leads; raises Lost."""
        if urlsplit(link).hostname not in LOOPBACK:
            raise Lost(f"{link} is not on this computer")
        self.asked += parse_qs(urlsplit(link).query).get("scope", [""])
        page = self._get(link)
        if not page.leads and "password" in page.text:
            page = self._submit(page, self._account)
        if not page.leads:
            ticked = [s for s in _TICKED.findall(page.text) if s != self._leaves_out]
            page = self._submit(page, {"decision": self._decision, "scope": ticked})
        if not page.leads:
            raise Lost(f"{page.url} answers {page.status}: {page.text[:2000]}")
        return page.leads

    def go(self, link: str) -> str:
        """The same, and on to where it leads; what is said there."""
        leads = self.answer(link)
        if urlsplit(leads).hostname not in LOOPBACK:
            raise Lost(f"{leads} is not on this computer")
        return self._get(leads).text

    def _submit(self, page: _Page, given: Mapping[str, Any]) -> _Page:
        action = _ACTION.search(page.text)
        url = urljoin(page.url, unescape(action[1])) if action else page.url
        fields = {name: unescape(value) for name, value in _HIDDEN.findall(page.text)}
        data = urlencode({**fields, **given}, doseq=True).encode()
        return self._open(urllib.request.Request(url, data, {"Referer": page.url}))

    def _get(self, url: str) -> _Page:
        return self._open(urllib.request.Request(url))

    def _open(self, request: urllib.request.Request) -> _Page:
        try:
            response = self._opener.open(request, timeout=PATIENCE)
        except urllib.error.HTTPError as error:
            response = error
        with response:
            text = response.read().decode(errors="replace")
            leads = response.headers.get("Location", "")
            return _Page(response.url, response.status, text, leads)


class _Page:
    """What a request came to: a page, or a redirect that leads away from the site."""

    def __init__(self, url: str, status: int, text: str, leads: str) -> None:
        self.url = url
        self.status = status
        self.text = text
        self.leads = leads


class _OnSite(urllib.request.HTTPRedirectHandler):
    """Follows a redirect that stays on its site, and no other."""

    def redirect_request(
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: Any,
        newurl: str,
    ) -> urllib.request.Request | None:
        if urlsplit(newurl)[:2] != urlsplit(req.full_url)[:2]:
            return None
        return super().redirect_request(req, fp, code, msg, headers, newurl)

    # A redirect to a scheme of a program's own is refused before it is asked about.
    def http_error_303(self, req: Any, fp: Any, code: int, msg: str, headers: Any) -> Any:
        target = urljoin(req.full_url, headers.get("Location", ""))
        if urlsplit(target).scheme not in ("http", "https"):
            return None
        return super().http_error_302(req, fp, code, msg, headers)

    http_error_301 = http_error_302 = http_error_307 = http_error_308 = http_error_303


def main(arguments: Sequence[str] | None = None) -> int:
    """Follow the link of the arguments; the exit status is 0 where it led to an answer."""
    parser = argparse.ArgumentParser(description="Log in and answer a consent page.")
    parser.add_argument("--user", default="anna")
    parser.add_argument("--password", default="secret")
    parser.add_argument("--deny", action="store_true")
    parser.add_argument("--leave-out", default="", metavar="SCOPE")
    parser.add_argument("--stay", action="store_true")
    parser.add_argument("url")
    given = parser.parse_args(arguments)
    browser = Browser(
        given.user,
        given.password,
        decision="deny" if given.deny else "allow",
        leaves_out=given.leave_out,
    )
    try:
        print(browser.answer(given.url) if given.stay else browser.go(given.url))
    except (Lost, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
