"""The Django project the benchmark measures: what a user would write, and nothing tuned."""
