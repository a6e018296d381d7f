"""Copies of models outside the cache: backup archives, restore, and exports for images and mirrors."""
