"""Stages for tests with a client: a hub on loopback, and a cache with one model, the bystander."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator

import pytest

from tests.faults.commands import CommandServer
from tests.faults.stage import SOURCE, Stage
from tests.hf_clients.clients import Client, client_of

State = Callable[[Stage], None]
MakeStage = Callable[[str], Stage]


@pytest.fixture(scope="session")
def make_stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MakeStage]:
    server, stages = CommandServer(SOURCE), list[Stage]()

    def make(name: str) -> Stage:
        filled, noise = stages[0].folder if stages else None, random.Random(f"{name} {len(stages)}")
        stages.append(Stage(tmp_path_factory.mktemp(name) / "stage", noise, server, filled))
        return stages[-1]

    # Nothing is done on the first one, which the others are copies of.
    make("filled")
    yield make
    for stage in stages:
        stage.close()
    server.close()


@pytest.fixture
def stage(make_stage: MakeStage) -> Stage:
    return make_stage("stage")


@pytest.fixture(scope="session")
def stage_after(make_stage: MakeStage) -> Callable[[State], Stage]:
    """The stage after some commands, made once for all clients, which only look at it."""
    made: dict[str, Stage] = {}

    def after(state: State) -> Stage:
        if state.__name__ not in made:
            stage = make_stage(state.__name__)
            state(stage)
            made[state.__name__] = stage
        return made[state.__name__]

    return after


@pytest.fixture
def client(request: pytest.FixtureRequest) -> Client:
    """The version that the test names as its parameter."""
    return client_of(request.param)
