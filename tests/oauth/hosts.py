"""What well-known hosts say of themselves: registrations, and documents that describe them.

Each is taken from where `source` says it was seen: issues are named as owner/repository#number.
Where a report shows only a part, as the redirect URIs or the method, `source` says which; the rest,
such as the name, is then what clients of that kind send.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """A program that connects: what it says, and what it asks to be answered at.

    `says` is a registration, or where `document` is a URL, what stands there.
    """

    name: str
    source: str
    says: Mapping[str, Any]
    redirect_uri: str
    document: str | None = None
    has_secret: bool = False


CLAUDE_CODE: Final = "https://claude.ai/oauth/claude-code-client-metadata"
CLAUDE: Final = "https://claude.ai/oauth/mcp-oauth-client-metadata"
CHATGPT: Final = "https://chatgpt.com/oauth/client.json"
CHATGPT_APP: Final = "https://chatgpt.com/oauth/IbUR3zxyNQ16/client.json"
VSCODE: Final = "https://vscode.dev/oauth/client-metadata.json"
OPENCODE: Final = "https://opencode.ai/oauth/opencode/client.json"
CURSOR: Final = "cursor://anysphere.cursor-mcp/oauth/callback"

_CODES: Final = MappingProxyType(
    {"grant_types": ["authorization_code", "refresh_token"], "response_types": ["code"]}
)
_VSCODE_GRANTS: Final = (
    "authorization_code",
    "refresh_token",
    "urn:ietf:params:oauth:grant-type:device_code",
)

HOSTS: Final = (
    Host(
        name="VS Code, registered",
        source="modelcontextprotocol/python-sdk#1379",
        says={
            "client_name": "Visual Studio Code",
            "client_uri": "https://code.visualstudio.com",
            "grant_types": list(_VSCODE_GRANTS),
            "response_types": ["code"],
            "redirect_uris": [
                "https://insiders.vscode.dev/redirect",
                "https://vscode.dev/redirect",
                "http://localhost/",
                "http://127.0.0.1/",
                "http://localhost:33418/",
                "http://127.0.0.1:33418/",
            ],
            "scope": "read:data",
            "token_endpoint_auth_method": "none",
            "application_type": "native",
        },
        redirect_uri="http://127.0.0.1:33418/",
    ),
    Host(
        name="VS Code, by its document",
        source="stacklok/toolhive#6290 (grants, name), python-sdk#1379 (redirect URIs)",
        document=VSCODE,
        says={
            "client_id": VSCODE,
            "client_name": "Visual Studio Code",
            "grant_types": list(_VSCODE_GRANTS),
            "response_types": ["code"],
            "redirect_uris": [
                "http://127.0.0.1:33418/",
                "http://127.0.0.1/",
                "https://vscode.dev/redirect",
            ],
            "token_endpoint_auth_method": "none",
        },
        redirect_uri="https://vscode.dev/redirect",
    ),
    Host(
        name="Cursor, with three redirect URIs",
        source="erp-mafia/accounted#2225 (redirect URIs), better-auth/better-auth#10956 (method)",
        says={
            "client_name": "Cursor",
            "redirect_uris": [
                CURSOR,
                "https://www.cursor.com/agents/mcp/oauth/callback",
                "http://localhost:8787/callback",
            ],
            "token_endpoint_auth_method": "none",
            **_CODES,
        },
        redirect_uri=CURSOR,
    ),
    Host(
        name="Cursor 3.13 on macOS",
        source="better-auth/better-auth#10956",
        says={
            "client_name": "Cursor",
            "redirect_uris": [CURSOR],
            "token_endpoint_auth_method": "none",
            **_CODES,
        },
        redirect_uri=CURSOR,
    ),
    Host(
        name="Cursor's agents",
        source="bytebase/bytebase#20510",
        says={
            "client_name": "Cursor",
            "redirect_uris": ["https://www.cursor.com/agents/mcp/oauth/callback"],
            "token_endpoint_auth_method": "none",
            **_CODES,
        },
        redirect_uri="https://www.cursor.com/agents/mcp/oauth/callback",
    ),
    Host(
        name="Claude.ai, registered with a secret",
        source="anthropics/claude-ai-mcp#1043 (method), anthropics/claude-code#30511 (the rest)",
        says={
            "client_name": "Claude",
            "redirect_uris": ["https://claude.ai/api/mcp/auth_callback"],
            "token_endpoint_auth_method": "client_secret_post",
            **_CODES,
        },
        redirect_uri="https://claude.ai/api/mcp/auth_callback",
        has_secret=True,
    ),
    Host(
        name="Claude.ai, by its document",
        source="anthropics/claude-ai-mcp#518 (URL), anthropics/claude-code#30511 (redirect URI)",
        document=CLAUDE,
        says={
            "client_id": CLAUDE,
            "client_name": "Claude",
            "redirect_uris": ["https://claude.ai/api/mcp/auth_callback"],
            "token_endpoint_auth_method": "none",
            **_CODES,
        },
        redirect_uri="https://claude.ai/api/mcp/auth_callback",
    ),
    Host(
        name="Claude Code, by its document",
        source="anthropics/claude-code#41011, #37767 (the port is another each time)",
        document=CLAUDE_CODE,
        says={
            "client_id": CLAUDE_CODE,
            "client_name": "Claude Code",
            "redirect_uris": ["http://localhost/callback", "http://127.0.0.1/callback"],
            "token_endpoint_auth_method": "none",
            **_CODES,
        },
        redirect_uri="http://localhost:58135/callback",
    ),
    Host(
        name="ChatGPT, by its document",
        source="django-oauth/django-oauth-toolkit#1857, #1845",
        document=CHATGPT,
        says={
            "client_id": CHATGPT,
            "client_uri": "https://chatgpt.com/",
            "redirect_uris": ["https://chatgpt.com/connector_platform_oauth_redirect"],
            "token_endpoint_auth_method": "private_key_jwt",
            "token_endpoint_auth_methods_supported": ["none", "private_key_jwt"],
            "grant_types": ["authorization_code", "refresh_token"],
            "response_types": ["code"],
            "client_name": "ChatGPT",
            "logo_uri": "https://persistent.oaistatic.com/sonic/misc/openai-logo.png",
            "token_endpoint_auth_signing_alg": "RS256",
            "jwks_uri": "https://chatgpt.com/oauth/jwks.json",
        },
        redirect_uri="https://chatgpt.com/connector_platform_oauth_redirect",
    ),
    Host(
        name="ChatGPT, by the document of one app",
        source="cloudflare/workers-oauth-provider#293",
        document=CHATGPT_APP,
        says={
            "client_id": CHATGPT_APP,
            "client_uri": "https://chatgpt.com/",
            "redirect_uris": ["https://chatgpt.com/connector/oauth/IbUR3zxyNQ16"],
            "token_endpoint_auth_method": "private_key_jwt",
            "token_endpoint_auth_methods_supported": ["none", "private_key_jwt"],
            "grant_types": ["authorization_code", "refresh_token"],
            "response_types": ["code"],
            "client_name": "ChatGPT",
            "token_endpoint_auth_signing_alg": "RS256",
            "jwks_uri": "https://chatgpt.com/oauth/jwks.json",
        },
        redirect_uri="https://chatgpt.com/connector/oauth/IbUR3zxyNQ16",
    ),
    Host(
        name="Copilot Studio",
        source="tableau/tableau-mcp#866, Teamwork/mcp#67 (redirect URI); a secret is what "
        "learn.microsoft.com asks a server to give",
        says={
            "client_name": "Microsoft Copilot Studio",
            "redirect_uris": [
                "https://global.consent.azure-apim.net/redirect/"
                "mvp-5fholy-20moly-20mcp-20dcr-5fdfde809e1caf448f"
            ],
            "token_endpoint_auth_method": "client_secret_post",
            **_CODES,
        },
        redirect_uri="https://global.consent.azure-apim.net/redirect/"
        "mvp-5fholy-20moly-20mcp-20dcr-5fdfde809e1caf448f",
        has_secret=True,
    ),
    Host(
        name="Microsoft 365 Copilot",
        source="learn.microsoft.com, dynamic client registration of plugins: it needs a secret",
        says={
            "client_name": "Microsoft 365 Copilot",
            "redirect_uris": ["https://teams.microsoft.com/api/platform/v1.0/oAuthRedirect"],
            **_CODES,
        },
        redirect_uri="https://teams.microsoft.com/api/platform/v1.0/oAuthRedirect",
        has_secret=True,
    ),
    Host(
        name="MCP Inspector 2.12.0",
        source="recorded from its command line",
        says={
            "redirect_uris": ["http://127.0.0.1:6276/oauth/callback"],
            "token_endpoint_auth_method": "none",
            "grant_types": ["authorization_code", "refresh_token"],
            "response_types": ["code"],
            "client_name": "MCP Inspector",
            "client_uri": "https://github.com/modelcontextprotocol/inspector",
            "scope": "mcp:read offline_access",
            "application_type": "native",
        },
        redirect_uri="http://127.0.0.1:6276/oauth/callback",
    ),
    Host(
        name="mcp-remote 0.15.1",
        source="recorded from the program",
        says={
            "redirect_uris": ["http://localhost:29463/oauth/callback"],
            "token_endpoint_auth_method": "none",
            "grant_types": ["authorization_code", "refresh_token"],
            "response_types": ["code"],
            "client_name": "MCP CLI Client",
            "client_uri": "https://github.com/modelcontextprotocol/mcp-cli",
            "software_id": "2e6dc280-f3c3-4e01-99a7-8181dbd1d23d",
            "software_version": "0.15.1",
            "scope": "mcp:read offline_access",
            "application_type": "native",
        },
        redirect_uri="http://localhost:29463/oauth/callback",
    ),
    Host(
        name="opencode, by its document",
        source="anomalyco/opencode#47737",
        document=OPENCODE,
        says={
            "client_id": OPENCODE,
            "client_name": "opencode",
            "client_uri": "https://opencode.ai",
            "logo_uri": "https://opencode.ai/web-app-manifest-512x512.png",
            "application_type": "native",
            "redirect_uris": ["http://127.0.0.1/callback", "http://localhost/callback"],
            "grant_types": ["authorization_code", "refresh_token"],
            "response_types": ["code"],
            "token_endpoint_auth_method": "none",
            "token_endpoint_auth_methods_supported": ["none"],
        },
        redirect_uri="http://127.0.0.1:19876/callback",
    ),
)
