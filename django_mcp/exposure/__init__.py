"""What a Django project already has, as tools, resources and prompts of a server.

Models, views, forms, templates and the admin's actions each have their modules here. `registration`
is what a server inherits of them; it imports the rest when something is exposed and not before,
because servers are made while apps are still being loaded.
"""
