"""What makes an engine faster: options by name, compiled blocks, prompts that are encoded once.

Comes in: a loaded pipeline. Goes out: the same, faster. Must not: change a picture beyond rounding without being asked.
"""
