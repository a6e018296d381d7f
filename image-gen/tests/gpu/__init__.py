"""The service on a real NVIDIA GPU. Where there is none, each test is skipped with that reason."""
