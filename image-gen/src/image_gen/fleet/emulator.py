"""An emulator of SQS and S3 on the same machine, to try a fleet out: nobody else makes queues and bucket in it."""

from typing import Any

from image_gen.errors import QueueUnavailableError
from image_gen.fleet.settings import FleetSettings
from image_gen.threads import in_daemon_thread


async def create_missing(settings: FleetSettings) -> None:
    """Makes the queues and the bucket that are not there; in AWS it does nothing. Raises QUEUE_UNAVAILABLE."""
    if settings.is_emulated:
        await in_daemon_thread("emulator", lambda: _create_missing(settings))


def _create_missing(settings: FleetSettings) -> None:
    import boto3
    from botocore.exceptions import BotoCoreError, ClientError

    where: dict[str, Any] = {"region_name": settings.region, "endpoint_url": settings.endpoint}
    session = boto3.session.Session()
    try:
        sqs, s3 = session.client("sqs", **where), session.client("s3", **where)
        for url in filter(None, (settings.queue_url, settings.dead_letter_queue_url)):
            sqs.create_queue(QueueName=url.rpartition("/")[2])  # as it is, where it is there
        s3.create_bucket(Bucket=settings.job_store.bucket)
    except (BotoCoreError, ClientError) as error:
        text = str(error).partition("\n")[0]
        raise QueueUnavailableError(f"The emulator at {settings.endpoint} can't be asked: {text}") from error
