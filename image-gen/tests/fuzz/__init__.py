"""Seeded requests that no client should send, and what the service makes of them.

Comes in: a seed and a count. Goes out: what ended in a 5xx, in no answer, or in an error of another shape. One number
makes one request, so that a finding can be repeated alone. `npm run test:fuzz -- --help`.
"""
