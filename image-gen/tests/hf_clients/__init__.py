"""Hugging Face's client, the newest and five older versions, on a cache that the command `image-gen` shares with it.

Comes in: commands of either, on a cache and a hub on loopback. Goes out: whether each tells of the cache what the other
does, and whether downloads end with right bytes. The older versions are installed into .imagegen/hf-clients, with what
they depended on in their days.
"""
