"""What this package repeats of `infra/contract.ts` is the same: vitest writes `contract.json`, and this compares."""

import json
from pathlib import Path

from image_gen import errors, log
from image_gen.fleet import drain, job_queue, scale_in_protection
from image_gen.fleet import settings as fleet_settings
from image_gen.model_cache import CacheSettings
from image_gen.model_cache.core import settings as cache_settings
from image_gen.model_cache.download import instance_store
from image_gen.serving.http.request_log import PROBES
from image_gen.settings import KEEP_ALIVE_SECONDS, Settings

CONTRACT = json.loads(Path(__file__).with_name("contract.json").read_text(encoding="utf-8"))


def test_constants_are_those_of_the_contract() -> None:
    own = {
        "DEFAULT_MODEL_ID": cache_settings.DEFAULT_MODEL,
        "DEMO_MODEL": cache_settings.DEMO_ALIAS,
        "DEMO_MODEL_ID": cache_settings.DEMO_MODEL,
        "BAKED_PATH": cache_settings.DEFAULT_BAKED_DIR,
        "LOG_PREFIX": log.PREFIX,
        "SERVICE_PORT": Settings.port,
        "KEEP_ALIVE_SECONDS": KEEP_ALIVE_SECONDS,
        "FLEET_VARIABLES": {
            "queueUrl": fleet_settings.QUEUE_URL,
            "deadLetterQueueUrl": fleet_settings.DEAD_LETTER_QUEUE_URL,
            "jobStore": fleet_settings.JOB_STORE,
            "autoScalingGroup": fleet_settings.AUTO_SCALING_GROUP,
            "minWorkers": fleet_settings.MIN_WORKERS,
            "instanceId": fleet_settings.INSTANCE_ID,
            "emulated": fleet_settings.EMULATED,
        },
        "INSTANCE_STORE_MARKER": instance_store.MARKER,
        "VISIBILITY_SECONDS": job_queue.VISIBLE_AFTER_SECONDS,
        "PROTECTED_SECONDS": scale_in_protection.IDLE_SECONDS,
        "DRAIN_OBJECT": drain.NAME,
        "EXIT_CODES": {
            "ok": errors.OK,
            "failed": errors.FAILED,
            "usage": errors.USAGE,
            "corrupt": errors.DAMAGED,
            "notConfirmed": errors.REFUSED,
            "interrupted": errors.INTERRUPTED,
        },
    }
    assert own == {name: CONTRACT[name] for name in own}


def test_probes_are_those_of_the_contract() -> None:
    assert {CONTRACT["HEALTH_PATH"], CONTRACT["READY_PATH"]} == PROBES


def test_settings_are_read_from_the_variables_of_the_contract() -> None:
    names = CONTRACT["MODEL_VARIABLES"]
    env = {
        names["modelId"]: "an/id",
        names["modelRevision"]: "v1",
        names["vaeId"]: "a/vae",
        names["hubEndpoint"]: "http://hub",
        CONTRACT["API_KEY_VARIABLE"]: "key",
        CONTRACT["DRAIN_VARIABLE"]: str(CONTRACT["DRAIN_SECONDS"]),
    }
    settings = Settings.from_env(env)
    assert (settings.model_id, settings.model_revision, settings.vae_id) == ("an/id", "v1", "a/vae")
    assert settings.hub_endpoint_overridden and settings.api_key == "key"
    assert settings.drain_timeout == CONTRACT["DRAIN_SECONDS"]
    env[CONTRACT["INSTANCE_STORE_VARIABLE"]] = CONTRACT["INSTANCE_STORE_PATH"]
    cache = CacheSettings.from_env({"HF_HOME": CONTRACT["HF_HOME"], CONTRACT["TOKEN_VARIABLE"]: "hf_x"} | env)
    assert str(cache.instance_store) == CONTRACT["INSTANCE_STORE_PATH"]
    assert (str(cache.hub_cache), cache.endpoint, cache.token) == (CONTRACT["HUB_CACHE"], "http://hub", "hf_x")
