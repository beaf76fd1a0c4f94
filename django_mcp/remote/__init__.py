"""MCP servers that a project is a client of: which there are, and what their users may do there.

An app of its own, on `django_mcp.client`; it needs neither a server of the project's nor
django-oauth-toolkit. `clients` has what a project calls, `aget_client`. Servers and what came of
authorizations are rows of `models`, whose secrets `sealing` encrypts. `storage` keeps tokens for
processes that share the database, `authorizing` says with what a client comes to a server, `flow`
leads a user to an authorization server and back, and `ending` gives tokens back. `views` are the
pages, `admin` those of staff, `examining` tries a server out.
"""
