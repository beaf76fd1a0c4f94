"""The page a browser gets: what this URL is, and what to paste where to connect to it."""

from __future__ import annotations

from html import escape
from string import Template
from typing import Final

from ...server.server import MCPServer
from .hosts import snippets
from .types import ReplyHeaders
from .words import ENGLISH, Language, gettext_noop

HEADERS: Final[ReplyHeaders] = [
    (b"content-type", b"text/html; charset=utf-8"),
    (
        b"content-security-policy",
        b"default-src 'none'; style-src 'unsafe-inline'; "
        b"base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    ),
    (b"referrer-policy", b"no-referrer"),
    (b"x-content-type-options", b"nosniff"),
    (b"cache-control", b"no-store"),
]

_PAGE: Final = Template("""<!doctype html>
<html lang="$language" dir="$direction">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex">
<title>$title</title>
<style>
:root { color-scheme: light dark; --line: color-mix(in srgb, currentColor 18%, transparent); }
body { font: 16px/1.6 system-ui, sans-serif; max-width: 44rem; margin: 0 auto;
       padding: 2.5rem 1.25rem; }
h1 { font-size: 1.6rem; line-height: 1.25; margin: 0 0 .5rem; }
h2 { font-size: 1rem; margin: 1.75rem 0 .25rem; }
p { margin: .5rem 0; }
pre { overflow-x: auto; padding: .85rem 1rem; border: 1px solid var(--line); border-radius: .5rem;
      font: .875rem/1.5 ui-monospace, monospace;
      background: color-mix(in srgb, currentColor 5%, transparent); }
.quiet { opacity: .75; }
</style>
</head>
<body>
<h1>$title</h1>
$description
<p class="quiet">$purpose</p>
<pre>$url</pre>
$snippets
</body>
</html>
""")


# Translators: %(protocol)s is "Model Context Protocol", with a link.
_PURPOSE: Final = gettext_noop(
    "This address speaks the %(protocol)s. It is made for assistants and editors, not for browsers:"
    " give one of them the URL."
)
# Translators: where the text below goes: "In a terminal:"
_WHERE: Final = gettext_noop("%(where)s:")
_PROTOCOL: Final = '<a href="https://modelcontextprotocol.io">Model Context Protocol</a>'


def page(server: MCPServer, url: str, language: Language = ENGLISH) -> bytes:
    """The page for `server` at `url`."""
    translate = language.translate
    pasted = "\n".join(
        f"<h2>{escape(snippet.host)}</h2>\n"
        f"<p>{escape(translate(_WHERE) % {'where': translate(snippet.where)})}</p>\n"
        f"<pre>{escape(snippet.text)}</pre>"
        for snippet in snippets(server.name, url)
    )
    text = _PAGE.substitute(
        language=escape(language.code),
        direction="rtl" if language.is_rtl else "ltr",
        purpose=escape(translate(_PURPOSE)) % {"protocol": _PROTOCOL},
        title=escape(server.title or server.name),
        description=f"<p>{escape(server.description)}</p>" if server.description else "",
        url=escape(url),
        snippets=pasted,
    )
    return text.encode()
