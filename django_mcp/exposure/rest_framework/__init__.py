"""Django REST Framework, where a project has it: imported only once the project has done so.

views         what a view or a viewset says of itself
serializers   a serializer as JSON Schema, read and written
"""
