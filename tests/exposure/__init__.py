"""What a project has, exposed: the tests of its rooms."""
