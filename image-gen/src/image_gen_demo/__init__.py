"""A demonstration model and a hub to fetch it from, both made on the spot.

Comes in: a seed, a size, a directory. Goes out: a tiny random SDXL with real file names, served on loopback as the
real hub serves models. Must not: be imported by the service itself, which knows hubs only by their address.
"""
