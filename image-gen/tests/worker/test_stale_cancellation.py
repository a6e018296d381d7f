"""A cancellation that comes after its job has ended, and a later job with the same id."""

import os
import socket

import pytest

from image_gen.worker.protocol import BatchJob, CancelJob, ImageJob, Message, encode
from image_gen.worker.worker import Worker

JOB = ImageJob("mine-0", "a lighthouse", seed=5, steps=2, width=64, height=64)


@pytest.mark.parametrize("message", [JOB, BatchJob([JOB, JOB])])
def test_a_late_cancellation_does_not_end_the_next_job_of_that_id(
    message: Message, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended: list[int] = []
    monkeypatch.setattr(os, "_exit", ended.append)
    ours, servers = socket.socketpair()
    with ours:
        worker = Worker(ours)
        with servers:
            servers.sendall(encode(CancelJob("mine-0")) + encode(CancelJob("other-0")) + encode(message))
        worker._receive()
    assert ended == [0]
    assert type(worker._messages.get_nowait()[0]) is type(message)
    assert worker._cancelled == {"other-0"}


def test_a_cancellation_after_its_job_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "_exit", lambda _: None)
    ours, servers = socket.socketpair()
    with ours:
        worker = Worker(ours)
        with servers:
            servers.sendall(encode(JOB) + encode(CancelJob("mine-0")))
        worker._receive()
    assert worker._cancelled == {"mine-0"}
