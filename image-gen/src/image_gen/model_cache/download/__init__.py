"""Downloads and verifies a model: complete files, resumed ranges, mirrors, and repair of damaged files."""
