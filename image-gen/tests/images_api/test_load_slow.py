"""Many of OpenAI's clients at once, with pictures of a second, at the default limit of the queue."""

import threading

from tests.serving.conftest import Server, StartServer

from .conftest import MakeClient


def unanswered(server: Server, official: MakeClient, clients: int, each: int, **options: int) -> list[Exception]:
    """What failed."""
    failures: list[Exception] = []

    def work() -> None:
        client = official(server, **options)
        for _ in range(each):
            try:
                assert client.images.generate(prompt="x", extra_body={"steps": 1}).data
            except Exception as error:
                failures.append(error)

    threads = [threading.Thread(target=work) for _ in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return failures


def test_twenty_default_clients_at_once_all_get_theirs(start_server: StartServer, official: MakeClient) -> None:
    server = start_server(FAKE_WORKER={"step_seconds": 1})
    server.wait_phase("ready")
    assert unanswered(server, official, 20, 1) == []


def test_five_hundred_pictures_for_fifty_clients_with_retries(start_server: StartServer, official: MakeClient) -> None:
    server = start_server(FAKE_WORKER={"step_seconds": 1})
    server.wait_phase("ready")
    assert unanswered(server, official, 50, 10, max_retries=20) == []
