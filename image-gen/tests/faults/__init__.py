"""Seeded faults of cache, hub and machine, each played against the command `image-gen` as a user runs it.

Comes in: a family and a seed, and the `src` to test, which may be another version's. Goes out: one line for each seed,
with how it ended. A family harms something and says what must hold; `play.py` checks what must hold after every one.
Must not: import the model cache that is tested.
"""
