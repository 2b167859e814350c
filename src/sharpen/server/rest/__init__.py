"""REST under ``/api/v1``: what the pages show, as JSON, and the few verbs that steer.

A table of endpoints makes both the routes and the OpenAPI document, so that neither can say what the other
does not. Answers are frozen dataclasses; their fields are the schemas.
"""
