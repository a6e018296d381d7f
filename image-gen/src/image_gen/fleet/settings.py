"""The settings of a fleet, read once from the environment."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from image_gen.errors import SettingInvalidError, shown
from image_gen.model_cache.core.s3_uri import S3Uri

QUEUE_URL: Final = "IMAGE_GEN_QUEUE_URL"
DEAD_LETTER_QUEUE_URL: Final = "IMAGE_GEN_DEAD_LETTER_QUEUE_URL"
JOB_STORE: Final = "IMAGE_GEN_JOB_STORE"
EMULATED: Final = "IMAGE_GEN_EMULATED"
AUTO_SCALING_GROUP: Final = "IMAGE_GEN_AUTO_SCALING_GROUP"
INSTANCE_ID: Final = "IMAGE_GEN_INSTANCE_ID"
MIN_WORKERS: Final = "IMAGE_GEN_MIN_WORKERS"
_MOST_WORKERS: Final = 1000
_URL: Final = re.compile(r"https?://[^\s/]+/\S+")
_OF_SQS: Final = re.compile(r"https://sqs\.([a-z0-9-]+)\.")


@dataclass(frozen=True)
class FleetSettings:
    """`job_store` is where jobs and results are kept. `region` and `endpoint` are for SQS; an empty one is the SDK's.
    `is_emulated`: queues and bucket are an emulator's, which forgets them when it ends."""

    queue_url: str
    job_store: S3Uri
    dead_letter_queue_url: str = ""
    region: str = ""
    endpoint: str = ""
    is_emulated: bool = False
    # Whose desired count a gateway sets from 0 to 1; of a worker, the one that its host is in.
    auto_scaling_group: str = ""
    # How many workers have to be ready before a gateway says that it is.
    min_workers: int = 0
    # The worker's host, which is protected from scale-in while it has jobs.
    instance_id: str = ""

    @classmethod
    def from_env(cls, env: Mapping[str, str]) -> "FleetSettings":
        """Raises SETTING_INVALID, naming all problems."""
        problems = []
        urls = {name: env.get(name, "").strip() for name in (QUEUE_URL, DEAD_LETTER_QUEUE_URL)}
        for name, url in urls.items():
            if not url and name == QUEUE_URL:
                problems.append(f"{name}: expected the URL of an SQS queue, got nothing")
            elif url and not _URL.fullmatch(url):
                problems.append(f"{name}: expected the URL of an SQS queue, got {shown(url)}")
        text, store = env.get(JOB_STORE, "").strip(), S3Uri("none")
        try:
            store = S3Uri.parse(text, JOB_STORE)
        except SettingInvalidError as error:
            problems.append(error.message if text else f"{JOB_STORE}: expected s3://bucket/prefix, got nothing")
        workers = env.get(MIN_WORKERS, "").strip() or "0"
        if not workers.isascii() or not workers.isdigit() or int(workers) > _MOST_WORKERS:
            problems.append(f"{MIN_WORKERS}: expected a whole number from 0 to {_MOST_WORKERS}, got {shown(workers)}")
        if problems:
            names = [each.partition(":")[0] for each in problems]
            raise SettingInvalidError(
                f"{'; '.join(problems)}. Fix: set {' and '.join(dict.fromkeys(names))} where the service gets its "
                "environment."
            )
        url = urls[QUEUE_URL]
        of_url = _OF_SQS.match(url)
        region = env.get("AWS_REGION") or env.get("AWS_DEFAULT_REGION") or (of_url[1] if of_url else "")
        # An emulator's URLs name its address; AWS's own say the region.
        own = "" if of_url else url.split("/", 3)[0] + "//" + url.split("/", 3)[2]
        endpoint = env.get("AWS_ENDPOINT_URL_SQS") or env.get("AWS_ENDPOINT_URL") or own
        return cls(
            url, store, urls[DEAD_LETTER_QUEUE_URL], region or "us-east-1", endpoint, env.get(EMULATED, "") == "1",
            env.get(AUTO_SCALING_GROUP, "").strip(), int(workers), env.get(INSTANCE_ID, "").strip(),
        )  # fmt: skip
