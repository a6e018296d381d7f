"""The server: one HTTP process that never imports torch, and the keeper of the engine's process.

Comes in: settings, HTTP requests. Goes out: readiness, pictures, metrics, log lines. Must not: import torch, look
after a model's files by itself (the store does), or end because something foreseen failed.
"""
