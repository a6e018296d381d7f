"""The server: one HTTP process that supervises the worker process.

It never imports torch, and leaves all work on model files to `model_cache`.
"""
