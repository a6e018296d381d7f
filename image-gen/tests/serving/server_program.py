"""The real server with the engine that the first argument names; `-` means the real one."""

import sys

from image_gen.serving.engine_process import ENGINE_COMMAND
from image_gen.serving.main import serve

command = ENGINE_COMMAND if sys.argv[1] == "-" else (sys.executable, sys.argv[1])
raise SystemExit(serve(engine_command=command))
