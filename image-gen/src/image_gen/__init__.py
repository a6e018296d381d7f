"""image-gen: keeps one diffusion model's files in a cache and serves images generated with it.

`model_cache` looks after the files, `serving` answers HTTP, `worker` runs the pipeline, `cli` is the command. A package
imports only what it needs: the model cache works without torch, and the server answers before torch is imported.
"""
