"""The command `image-gen`: arguments in, one line or one JSON document out. `main` runs it, `parser` describes it."""
