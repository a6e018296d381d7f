"""The model cache over HTTP: what it holds, and prefetch, verify and delete as operations in the background.

Comes in: requests of API keys that may. Goes out: the listing, and how far an operation is. Must not: touch a file
itself (`model_cache` does), delete what the service serves, or show a path of the machine in the listing.
"""
