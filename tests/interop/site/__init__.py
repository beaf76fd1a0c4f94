"""The Django project that is served: what a user would write, with something of each kind in it."""
