"""The real server with the engine that the first argument names; `-` means the real one.

FAST: the seconds of every pause for which a test would otherwise wait for minutes. DEADLINE: those of a request's
headers and body.
"""

import os
import sys

from image_gen.serving import retry_after_failure, worker_supervisor
from image_gen.serving.http import limited_protocol
from image_gen.serving.jobs import job_runner, webhooks
from image_gen.serving.main import serve
from image_gen.serving.model_loader import ModelLoader
from image_gen.serving.worker_process import WORKER_COMMAND
from image_gen.serving.worker_supervisor import WorkerSupervisor

if fast := os.environ.get("FAST"):

    def delay(_: int) -> float:
        return float(fast or 0)

    webhooks.retry_delays = lambda: (float(fast or 0),) * 8
    job_runner.HOUSEKEEPING_SECONDS = retry_after_failure.CHECK_SECONDS = float(fast)
    retry_after_failure.source_delay = delay
    worker_supervisor.given_up_delay = delay
    for part in (ModelLoader, WorkerSupervisor):
        part.__init__.__kwdefaults__["pause"] = delay
if deadline := os.environ.get("DEADLINE"):
    limited_protocol.HEADERS_SECONDS = limited_protocol.BODY_SECONDS = float(deadline)
    limited_protocol.LINGER_SECONDS = float(deadline)
command = WORKER_COMMAND if sys.argv[1] == "-" else (sys.executable, sys.argv[1])
raise SystemExit(serve(worker_command=command))
