"""The service itself, with its worker set up to copy every weight once and to record when it has."""

import os
import sys
from pathlib import Path

from marks import mark

if __name__ == "__main__":
    mark("python")
    from image_gen.serving.main import serve

    sys.exit(serve(os.environ, (sys.executable, str(Path(__file__).with_name("engine.py")))))
