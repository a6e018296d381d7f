"""`python -m image_gen` is the command `image-gen`."""

from image_gen.cli.main import main

raise SystemExit(main())
