"""The real server with the engine that the first argument names; `-` means the real one."""

import sys

from image_gen.serving.main import serve
from image_gen.serving.worker_process import WORKER_COMMAND

command = WORKER_COMMAND if sys.argv[1] == "-" else (sys.executable, sys.argv[1])
raise SystemExit(serve(worker_command=command))
