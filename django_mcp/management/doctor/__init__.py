"""What is wrong with a deployment, found by asking it as a client would, and what to do about it.

`project` looks at the settings and at what they name. With a URL, `visiting` speaks to the endpoint
there: `reaching` is about the way to it, `admission` about who is let in, `speaking` about messages
and headers, `streaming` about streams, `processes` about what several processes share.
`examination` puts them in order; what they find are `findings`.
"""
