"""The document of a gateway's API is true: schemathesis sends what it allows and what it forbids."""

from pathlib import Path

from tests.fleet.conftest import Fleet
from tests.images_api.test_schema_slow import run

from .conftest import StartGateway, start_worker


def test_what_the_document_of_a_gateway_says_is_so(fleet: Fleet, start_gateway: StartGateway, tmp_path: Path) -> None:
    small = {"IMAGE_GEN_MAX_SIZE": 128, "IMAGE_GEN_MAX_IMAGES": 2}
    gateway = start_gateway(**small)
    worker = start_worker(fleet, gateway, **small)
    print(run(gateway, tmp_path, "--max-examples", "10")[-600:])  # noqa: T201 - a figure
    assert "Traceback" not in gateway.log
    assert "Traceback" not in worker.log
