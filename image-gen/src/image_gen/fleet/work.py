"""`image-gen work`: the service, which also takes jobs from a queue. Exit codes are those of `serve`."""

import os
from collections.abc import Mapping, Sequence

from image_gen.errors import ImageGenError
from image_gen.fleet.settings import FleetSettings
from image_gen.log import configure, format_in
from image_gen.model_cache import CacheSettings
from image_gen.serving.main import serve
from image_gen.serving.service import AddedPart, ServiceParts
from image_gen.serving.worker_process import WORKER_COMMAND


def work(env: Mapping[str, str] | None = None, worker_command: Sequence[str] = WORKER_COMMAND) -> int:
    """Runs until SIGTERM or SIGINT, and gives the exit code."""
    env = os.environ if env is None else env
    try:
        settings = FleetSettings.from_env(env)
    except ImageGenError as error:
        configure([env.get("HF_TOKEN", "")], log_format=format_in(env)).error(error.message)
        return 2

    def make_taker(cache_settings: CacheSettings, parts: ServiceParts) -> AddedPart:
        from image_gen.fleet.job_taker import JobTaker

        return JobTaker(settings, cache_settings, parts)

    return serve(env, worker_command, make_part=make_taker)
