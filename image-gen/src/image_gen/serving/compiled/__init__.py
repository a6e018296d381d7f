"""Compiled blocks that hosts share.

Comes in: the name of an archive that a worker made or requests. Goes out: the archive, to or from a bucket. Must not:
fail a start.
"""
