"""When what waits should be done. It is an estimate: by how long requests took of late, with all engines at work."""

from image_gen.serving.queue.request_queue import RequestQueue


def seconds_until_done(queue: RequestQueue, position: int, done: float = 0.0) -> float:
    """For a request with so many before it; 0 with a part of it that is `done` for one that is being made."""
    at_work = 0.5 if queue.is_busy and done == 0 else 0.0
    return round(queue.seconds_per_request * (position + at_work + 1 - done), 1)


def queue_place(queue: RequestQueue, first_picture: str) -> dict[str, object] | None:
    """Where a request that waits is, and when it should be done; None once it is being worked on."""
    position = queue.positions().get(first_picture)
    if position is None:
        return None
    forecast = seconds_until_done(queue, position) if queue.engines_ready else None
    return {"position": position, "forecast_seconds": forecast}


def queue_json(queue: RequestQueue) -> dict[str, object]:
    """The answer of `/v1/queue`."""
    return {
        "object": "queue",
        "running": queue.running,
        "waiting_requests": queue.depth - queue.waiting_jobs,
        "waiting_jobs": queue.waiting_jobs,
        "limit": queue.limit,
        "engines_ready": queue.engines_ready,
        "seconds_per_request": round(queue.seconds_per_request, 3),
        "forecast_seconds": seconds_until_done(queue, queue.depth) if queue.engines_ready else None,
    }
