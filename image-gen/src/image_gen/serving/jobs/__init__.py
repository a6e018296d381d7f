"""Jobs: requests for pictures that are answered at once, made in their turn, and kept on disk until they expire.

Comes in: a request's body. Goes out: the job's state and its pictures. Must not: lose what it has accepted, or log a
prompt.
"""
