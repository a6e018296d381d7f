"""The queue: an SQS queue, or one that speaks its protocol.

Comes in: messages. Goes out: messages. Must not: know what a job is.
"""

import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from image_gen.errors import ImageGenError, QueueUnavailableError
from image_gen.fleet.settings import FleetSettings
from image_gen.model_cache.sources.aws_credentials import VARIABLE
from image_gen.threads import in_daemon_thread

VISIBLE_AFTER_SECONDS: Final = 60
# SQS's longest: an idle worker asks three times a minute.
WAIT_SECONDS: Final = 20
_CONNECT_SECONDS, _READ_SECONDS = 5, 30
_FILE_READ_AGAIN_SECONDS: Final = 300.0
_GROUP: Final = "default"
Result = TypeVar("Result")


@dataclass(frozen=True)
class Message:
    """`receipt` is for this delivery alone; `receives` counts it."""

    body: str
    receipt: str
    receives: int
    group: str


class JobQueue:
    """Each method raises `QueueUnavailableError`, and asks in a thread of its own."""

    def __init__(self, settings: FleetSettings) -> None:
        self._settings = settings
        self._made: Any = None
        self._made_at = 0.0
        self._lock = threading.Lock()

    @property
    def place(self) -> str:
        """For people."""
        return self._settings.queue_url

    async def send(self, body: str, group: str) -> None:
        """`group`: whose turn it is; where one group has many messages, SQS delivers others' between them."""
        await self._ask(
            lambda sqs: sqs.send_message(
                QueueUrl=self._settings.queue_url, MessageBody=body, MessageGroupId=group or _GROUP
            )
        )

    async def receive(self, wait: int = WAIT_SECONDS) -> Message | None:
        """The next message, which nobody else gets for a minute; None after `wait` seconds without one."""
        answer = await self._ask(
            lambda sqs: sqs.receive_message(
                QueueUrl=self._settings.queue_url,
                MaxNumberOfMessages=1,
                WaitTimeSeconds=wait,
                VisibilityTimeout=VISIBLE_AFTER_SECONDS,
                MessageSystemAttributeNames=["ApproximateReceiveCount", "MessageGroupId"],
            )
        )
        for each in answer.get("Messages", []):
            about = each.get("Attributes", {})
            receives = int(about.get("ApproximateReceiveCount", 1))
            return Message(each["Body"], each["ReceiptHandle"], receives, about.get("MessageGroupId", _GROUP))
        return None

    async def hide(self, message: Message, seconds: int | None = None) -> None:
        """From now on nobody gets the message for so long, or for as long as at first; with 0 the next one who asks
        gets it.
        """
        hidden = VISIBLE_AFTER_SECONDS if seconds is None else seconds
        await self._ask(
            lambda sqs: sqs.change_message_visibility(
                QueueUrl=self._settings.queue_url, ReceiptHandle=message.receipt, VisibilityTimeout=hidden
            )
        )

    async def delete(self, message: Message) -> None:
        """It is done."""
        await self._ask(
            lambda sqs: sqs.delete_message(QueueUrl=self._settings.queue_url, ReceiptHandle=message.receipt)
        )

    async def move_to_dead_letters(self, message: Message, reason: str) -> None:
        """Moves it to the dead-letter queue, with the reason as an attribute; without such a queue it is deleted."""
        if url := self._settings.dead_letter_queue_url:
            about = {"reason": {"DataType": "String", "StringValue": reason[:1000] or "unknown"}}
            await self._ask(
                lambda sqs: sqs.send_message(
                    QueueUrl=url, MessageBody=message.body, MessageGroupId=message.group, MessageAttributes=about
                )
            )
        await self.delete(message)

    async def counts(self) -> tuple[int, int]:
        """About how many messages wait, and how many are being worked on."""
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        answer = await self._ask(
            lambda sqs: sqs.get_queue_attributes(QueueUrl=self._settings.queue_url, AttributeNames=names)
        )
        waiting, taken = (int(answer.get("Attributes", {}).get(name, 0)) for name in names)
        return waiting, taken

    async def _ask(self, call: Callable[[Any], Result]) -> Result:
        return await in_daemon_thread("queue", lambda: self._asked(call))

    def _asked(self, call: Callable[[Any], Result]) -> Result:
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            return call(self._client())
        except ClientError as error:
            about = error.response.get("Error", {})
            raise _refused(self._settings, str(about.get("Code", "")), str(about.get("Message", ""))) from error
        except BotoCoreError as error:
            text = str(error).partition("\n")[0]
            raise QueueUnavailableError(f"The queue {self._settings.queue_url} can't be asked: {text}") from error

    def _client(self) -> Any:
        """One for all threads, which boto3's clients allow; their making does not. boto3 reads a file of credentials
        once: where somebody renews it, a new client does.
        """
        with self._lock:
            now = time.monotonic()
            if self._made is None or (VARIABLE in os.environ and now > self._made_at + _FILE_READ_AGAIN_SECONDS):
                self._made_at = now
                import boto3
                from botocore.config import Config

                self._made = boto3.session.Session().client(
                    "sqs",
                    region_name=self._settings.region or None,
                    endpoint_url=self._settings.endpoint or None,
                    config=Config(
                        connect_timeout=_CONNECT_SECONDS,
                        read_timeout=_READ_SECONDS,
                        retries={"total_max_attempts": 4, "mode": "standard"},
                        max_pool_connections=32,
                    ),
                )
            return self._made


def _refused(settings: FleetSettings, code: str, text: str) -> ImageGenError:
    place = settings.queue_url
    if "NonExistentQueue" in code or "QueueDoesNotExist" in code:
        return QueueUnavailableError(
            f"There is no queue {place}. Fix: set IMAGE_GEN_QUEUE_URL to the output `queueUrl` of the stack."
        )
    if "AccessDenied" in code:
        return QueueUnavailableError(f"The AWS credentials may not use the queue {place}: {text}")
    return QueueUnavailableError(f"The queue {place} answers {code}: {text}")
