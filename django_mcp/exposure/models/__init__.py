"""Models as tools and resources.

`options` has the class a project writes, `selection` decides which fields are shown, and `kinds`
what a field is in JSON. `scope` is the one place where a field becomes part of a query; filters,
orderings and groups all go through it, so that what is not exposed is not reached on any way.
"""
