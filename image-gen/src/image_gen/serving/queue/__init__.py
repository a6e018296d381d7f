"""The order of requests before the worker, and the places of those that were refused.

Comes in: requests as jobs. Goes out: pictures, or when to come back. Must not: know HTTP.
"""
