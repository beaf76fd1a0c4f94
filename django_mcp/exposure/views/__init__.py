"""Django's views as tools: found by their URL, asked with a request, read by a model.

    routes      from a URL name, or a view, to the pattern that leads to it; and back to a path
    inputs      the arguments of the tool, and which part of a request each becomes
    sources     what `query=` and `body=` may be: a form, a model, a serializer, plain types
    facts       what a view of Django itself says of what it takes and does
    requests    the request that is made of the caller's
    calls       Django's handler around the view: middleware, transaction, thread or loop
    answers     the response, as what a tool returns
    readable    HTML as text
    tools       all of it together: the tool

What views of Django REST Framework and of Django Ninja say of themselves is next door, in
`rest_framework` and `ninja`; neither is imported where it is not used.
"""
