"""image-gen: keeps one diffusion model's files in a cache and serves pictures made with it.

`store` looks after the files, `serving` answers HTTP, `engine` makes pictures, `cli` is the command. A part imports
only what it needs: the store works without torch, the server answers before torch is imported.
"""
