"""Pictures by a loaded pipeline: one job to one encoded picture, checked, with previews on the way.

Comes in: a loaded pipeline, a job. Goes out: bytes. Must not: keep anything of a job for the next, but
what the text encoders made of its prompt.
"""
