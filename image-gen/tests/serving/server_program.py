"""The real server with the engine that the first argument names; `-` means the real one.

WEBHOOKS_TAKEN_AFTER: seconds after which a part of a fleet sends a pending webhook of another one.
FAST: the seconds of every pause for which a test would otherwise wait for minutes. DEADLINE: those of a request's
headers and body. WORK: whether it takes jobs of a fleet; VISIBLE_AFTER: seconds that a message stays hidden;
RECORD_EVERY: seconds between its records; DRAIN_ASKED_EVERY: those after which it asks whether it is drained;
PROTECTED_FOR: those that its host stays protected from scale-in after a job. GATEWAY: the gateway of a fleet in place
of a service.
"""

import os
import sys

from image_gen.serving import retry_after_failure, worker_supervisor
from image_gen.serving.http import limited_protocol
from image_gen.serving.jobs import job_runner, webhook_request
from image_gen.serving.main import serve
from image_gen.serving.model_loader import ModelLoader
from image_gen.serving.worker_process import WORKER_COMMAND
from image_gen.serving.worker_supervisor import WorkerSupervisor

if fast := os.environ.get("FAST"):

    def delay(_: int) -> float:
        return float(fast or 0)

    webhook_request.retry_delays = lambda: (float(fast or 0),) * 8
    job_runner.HOUSEKEEPING_SECONDS = retry_after_failure.CHECK_SECONDS = float(fast)
    retry_after_failure.source_delay = delay
    worker_supervisor.given_up_delay = delay
    for part in (ModelLoader, WorkerSupervisor):
        part.__init__.__kwdefaults__["pause"] = delay
if deadline := os.environ.get("DEADLINE"):
    limited_protocol.HEADERS_SECONDS = limited_protocol.BODY_SECONDS = float(deadline)
    limited_protocol.LINGER_SECONDS = float(deadline)
if taken_after := os.environ.get("WEBHOOKS_TAKEN_AFTER"):
    from image_gen.fleet import fleet_webhooks

    fleet_webhooks.TAKEN_SECONDS = fleet_webhooks.LOOK_SECONDS = float(taken_after)
if os.environ.get("GATEWAY"):
    from image_gen.fleet.gateway import fleet_pictures, fleet_state, gateway
    from image_gen.fleet.gateway.main import serve_gateway

    if fast:
        gateway.WATCH_SECONDS = fleet_state.WORKERS_SECONDS = fleet_state.NO_WORKERS_SECONDS = float(fast)
        fleet_state.QUEUE_SECONDS = fleet_state.FAILED_SECONDS = fleet_pictures.CLEAR_SECONDS = float(fast)
    raise SystemExit(serve_gateway())
command = WORKER_COMMAND if sys.argv[1] == "-" else (sys.executable, sys.argv[1])
if os.environ.get("WORK"):
    from image_gen.fleet import delivery, drain, job_queue, job_taker, scale_in_protection
    from image_gen.fleet.work import work

    if visible_after := os.environ.get("VISIBLE_AFTER"):
        job_queue.VISIBLE_AFTER_SECONDS = int(visible_after)
        delivery.EXTEND_SECONDS = int(visible_after) / 3
    if record_every := os.environ.get("RECORD_EVERY"):
        job_taker.WRITTEN_EVERY_SECONDS = float(record_every)
    if asked_every := os.environ.get("DRAIN_ASKED_EVERY"):
        drain.ASKED_EVERY_SECONDS = float(asked_every)
    if protected_for := os.environ.get("PROTECTED_FOR"):
        scale_in_protection.IDLE_SECONDS = float(protected_for)
    raise SystemExit(work(worker_command=command))
raise SystemExit(serve(worker_command=command))
