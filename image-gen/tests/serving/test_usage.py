"""What pictures cost: the time in which some were made, and all time."""

import re

import pytest

from image_gen.errors import SettingInvalidError
from image_gen.serving.queue.usage import Usage
from image_gen.settings import Settings

from .conftest import StartServer


def test_time_counts_as_busy_once_while_several_engines_work() -> None:
    now = [100.0]
    usage = Usage(0.9, clock=lambda: now[0])
    now[0] += 60
    usage.enter(busy=True)
    now[0] += 10
    usage.enter(busy=True)
    now[0] += 10
    assert (usage.uptime_seconds, usage.busy_seconds) == (80, 20)
    usage.enter(busy=False)
    usage.enter(busy=False)
    now[0] += 20
    usage.pictures = 4
    # 20 s of 100 for 4 pictures, at 0.9 USD an hour: 5 s and 25 s each.
    costs = usage.usd_per_1000_images
    assert costs == pytest.approx({"busy": 5 / 3600 * 0.9 * 1000, "all": 25 / 3600 * 0.9 * 1000})
    assert usage.as_json()["usd_per_1000_images"] == {"busy": 1.25, "all": 6.25}


def test_without_a_price_or_a_picture_there_is_no_cost() -> None:
    assert Usage(0.9).usd_per_1000_images is None
    unpriced = Usage()
    unpriced.pictures = 1
    assert unpriced.usd_per_1000_images is None and unpriced.as_json()["usd_per_1000_images"] is None


@pytest.mark.parametrize("text", ["0", "-1", "1e3", "100000", "0.1234567", "one", "٣"])
def test_a_price_is_a_number_above_zero(text: str) -> None:
    with pytest.raises(SettingInvalidError, match="IMAGE_GEN_USD_PER_HOUR: expected a number above 0"):
        Settings.from_env({"IMAGE_GEN_USD_PER_HOUR": text})


def test_the_service_reports_pictures_time_and_cost(start_server: StartServer) -> None:
    server = start_server(IMAGE_GEN_USD_PER_HOUR="0.8048")
    server.wait_phase("ready")
    before = server.get("/readyz").json["usage"]
    assert (before["pictures"], before["busy_seconds"], before["usd_per_hour"]) == (0, 0, 0.8048)
    metrics = server.get("/metrics").body.decode()
    assert "image_gen_usd_per_hour 0.8048" in metrics
    assert "image_gen_usd_per_1000_images{" not in metrics
    assert server.post({"prompt": "a cat", "n": 2}).status == 200
    usage = server.get("/readyz").json["usage"]
    assert usage["pictures"] == 2 and usage["started_at"] == before["started_at"]
    metrics = server.get("/metrics").body.decode()
    amounts = {time: float(usd) for time, usd in re.findall(r'usd_per_1000_images\{time="(\w+)"\} (\S+)', metrics)}
    assert 0 < amounts["busy"] < amounts["all"]


def test_a_service_without_a_price_has_its_times_alone(start_server: StartServer) -> None:
    server = start_server()
    server.wait_phase("ready")
    metrics = server.get("/metrics").body.decode()
    assert "image_gen_busy_seconds_total 0.0" in metrics and "image_gen_uptime_seconds_total" in metrics
    assert "usd" not in metrics
    assert server.get("/readyz").json["usage"]["usd_per_hour"] is None
