"""Many of OpenAI's clients at once, with pictures of a second, at the default limit of the queue."""

from tests.serving.conftest import StartServer

from .conftest import MakeClient, unanswered


def test_twenty_default_clients_at_once_all_get_theirs(start_server: StartServer, official: MakeClient) -> None:
    server = start_server(FAKE_WORKER={"step_seconds": 1})
    server.wait_phase("ready")
    assert unanswered(server, official, 20, 1) == []


def test_five_hundred_pictures_for_fifty_clients_with_retries(start_server: StartServer, official: MakeClient) -> None:
    server = start_server(FAKE_WORKER={"step_seconds": 1})
    server.wait_phase("ready")
    assert unanswered(server, official, 50, 10, max_retries=20) == []
