"""Several server processes that serve one project, and what happens when one of them is gone.

`workers` starts the processes, `proxy` deals requests out to them one by one, `shared` says what
they share; the conformance suite uses these too. `site` is the project the tests here serve,
`client` speaks to it, and `strings` pulls the strings of its tools.
"""
