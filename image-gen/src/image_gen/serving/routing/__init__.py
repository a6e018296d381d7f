"""Routes of Starlette with what `/openapi.json` says of them.

Comes in: a method, a path, an endpoint, a part of an OpenAPI operation. Goes out: routes, and the document's paths.
Must not: know what a route does.
"""
