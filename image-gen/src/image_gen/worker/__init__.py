"""The engine: the one process that imports torch, owns the pipeline and makes pictures.

Comes in: orders over a socket (`protocol`). Goes out: progress, pictures and plain-spoken errors over the same socket.
Must not: use the network, look for models by itself, answer HTTP, or be imported by the server beyond `protocol`.
"""
