"""Loads a pipeline from one checkpoint file, with the configuration of its kind from here: no hub is asked.

Comes in: a `.safetensors` file and its kind. Goes out: the pipeline. Must not: open a file that is no safetensors, or
look for a configuration anywhere else.

The JSON files are the configurations of Stable Diffusion 1.5 and SDXL base 1.0, by their paths in a pipeline.
`clip-merges.txt` is the byte-pair encoding of CLIP's tokenizer, which both have (from github.com/openai/CLIP, MIT
licence, Copyright (c) 2021 OpenAI); its vocabulary follows from it.
"""
