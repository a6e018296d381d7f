"""The cache on the volume: what it holds, who uses it, and how models are found, imported and deleted."""
