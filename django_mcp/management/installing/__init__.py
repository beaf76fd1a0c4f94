"""A server in the configuration of a host: where that is, and how it is changed.

`places` knows the files of each host, `jsonc` and `toml` change one entry of a text and nothing
else of it, `files` writes it so that nothing can be lost, and `changes` joins them. What an entry
looks like is `transports.http.hosts`.
"""
