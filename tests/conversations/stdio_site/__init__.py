"""A project that is served over stdio: it prints wherever it can, and has a tool of every kind."""
