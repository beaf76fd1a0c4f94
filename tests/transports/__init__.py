"""The transports by themselves, on streams and descriptors of the tests' own."""
