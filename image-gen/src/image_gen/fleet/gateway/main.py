"""`image-gen gateway`: listens first, then does everything else. SIGTERM and SIGINT stop it.

Exit codes: 0 after an orderly stop, 1 if the port is not available, 2 for wrong settings.
"""

import os
from collections.abc import Mapping

from image_gen import reader
from image_gen.errors import ImageGenError
from image_gen.fleet.gateway.gateway import Gateway
from image_gen.fleet.settings import FleetSettings
from image_gen.log import configure, format_in
from image_gen.model_cache import CacheSettings
from image_gen.serving.http.api_keys import ApiKeys
from image_gen.serving.http.connections import raise_open_files
from image_gen.serving.http.server import listen, run_until_stopped
from image_gen.settings import Settings


def serve_gateway(env: Mapping[str, str] | None = None) -> int:
    """Runs until SIGTERM or SIGINT, and gives the exit code."""
    env = os.environ if env is None else env
    reader.address_reader(env)
    log = configure([env.get("HF_TOKEN", "")], log_format=format_in(env))
    try:
        settings, fleet_settings = Settings.from_env(env), FleetSettings.from_env(env)
        cache_settings = CacheSettings.from_env(env)
        keys = ApiKeys(settings.api_key, settings.api_keys_file)
    except ImageGenError as error:
        log.error(error.message)
        return 2
    listener = listen(settings.host, settings.port)
    if listener is None:
        return 1
    gateway = Gateway(settings, fleet_settings, cache_settings, env, keys=keys, open_files=raise_open_files())
    run_until_stopped(gateway, listener)
    return 0
