"""`image-gen serve`: listens first, then does everything else, so nothing slow is imported before.
SIGTERM and SIGINT stop it, SIGHUP makes it retry after a failure.

Exit codes: 0 after an orderly stop, 1 if the port is not available, 2 for wrong settings.
"""

import os
import sys
from collections.abc import Mapping, Sequence

from image_gen import reader
from image_gen.errors import ImageGenError
from image_gen.log import configure, format_in
from image_gen.model_cache import CacheSettings
from image_gen.serving.http.api_keys import ApiKeys
from image_gen.serving.http.connections import raise_open_files
from image_gen.serving.http.server import listen, run_until_stopped
from image_gen.serving.service import MakePart, Service
from image_gen.serving.worker_process import WORKER_COMMAND
from image_gen.settings import Settings

# While the app is imported, a thread that reads or hashes a model waits this long for the interpreter after each block;
# with Python's own 5 ms, most of its time.
_SWITCH_SECONDS = 0.0005


def serve(
    env: Mapping[str, str] | None = None,
    worker_command: Sequence[str] = WORKER_COMMAND,
    *,
    make_part: MakePart | None = None,
) -> int:
    """Runs until SIGTERM or SIGINT, and gives the exit code. `make_part`: a part that is added to the service."""
    env = os.environ if env is None else env
    sys.setswitchinterval(_SWITCH_SECONDS)
    reader.address_reader(env)
    log = configure([env.get("HF_TOKEN", "")], log_format=format_in(env))
    try:
        settings, cache_settings = Settings.from_env(env), CacheSettings.from_env(env)
        keys = ApiKeys(settings.api_key, settings.api_keys_file)
    except ImageGenError as error:
        log.error(error.message)
        return 2
    configure([cache_settings.token or "", env.get("HF_TOKEN", "")], log_format=format_in(env))
    listener = listen(settings.host, settings.port)
    if listener is None:
        return 1
    service = Service(
        settings, cache_settings, env, keys=keys, worker_command=worker_command, open_files=raise_open_files(),
        make_part=make_part,
    )  # fmt: skip
    run_until_stopped(service, listener)
    return 0
