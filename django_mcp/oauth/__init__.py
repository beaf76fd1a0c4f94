"""Authorization for MCP endpoints: who a bearer token speaks for, and the server that issues them.

An app of its own, on django-oauth-toolkit. As a resource server it verifies the token of every
request (`authentication`, `tokens`, `personal`, and `external` for those of others), says what it
wants (`challenges`) and publishes where tokens are issued (`metadata`). As an authorization server
it registers clients (`registration`, `cimd`), asks the user (`consent`), issues tokens and takes
them back (`issuing`, `views`), and shows people what they have allowed (`connections`).

Nothing here changes how the project uses django-oauth-toolkit otherwise: the endpoints are under a
prefix of their own, with their own validator, and need none of its settings.
"""
