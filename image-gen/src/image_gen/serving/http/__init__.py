"""What stands between a client and the routes: connections and deadlines, names, keys, a request's log and count.

Comes in: bytes of clients. Goes out: requests for the routes, and the answers to probes. Must not: import Starlette, or
know how a picture is made.
"""
