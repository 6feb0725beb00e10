"""A frontend of the API, as a project beside this one would be: `make example`."""
