"""The official conformance suite, run against a server made with this package.

`python -m tests.conformance` starts the server, runs the suite and says what passed. `fixture` and
the modules named after features are the server, `suite` is the suite, `__main__` the command.
What the server offers is what the suite's scenarios call by name; nothing here is collected by
pytest.
"""
