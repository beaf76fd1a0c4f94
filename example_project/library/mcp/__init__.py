"""The library as an MCP server. django_mcp finds this module by its name, as Django finds admin.py.

Read the modules in this order: each shows a few things more.

    tools       functions for the model: arguments, results, errors, progress
    lending     tools that change something, and ask the user first
    content     tools that answer with pictures, files and links; a page
    resources   what a client can read by its URI
    prompts     what a person can pick from a menu, with completions
    models      what the database has, without a function for each thing
"""

# In this order clients list what is in them.
from . import tools, lending, content, resources, prompts, models  # noqa: F401, I001
