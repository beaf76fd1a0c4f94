"""JSON Schemas that somebody else wrote: a value is checked against one, within bounds.

`checker` is what both sides use, `budgets` what it may cost. Both import `jsonschema`, which takes
35 ms: whoever may never meet such a schema imports them when one turns up.
"""
