"""The demo model comes from a hub that is started for it, unless the operator named one."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import TypeVar

from image_gen.errors import ImageGenError
from image_gen.store.catalogue import DEMO_ALIAS, DEMO_ID
from image_gen.store.store import ModelStore

Result = TypeVar("Result")


def with_demo_hub(store: ModelStore, model_id: str, hub_given: bool, work: Callable[[ModelStore], Result]) -> Result:
    """Does `work` with a store that can reach the model; for the demo model, while its hub runs."""
    if model_id not in {DEMO_ALIAS, DEMO_ID} or hub_given or store.locate(model_id):
        return work(store)
    try:
        from image_gen.serving.demo_hub import DemoHub
    except ModuleNotFoundError as error:
        raise ImageGenError(
            "DEMO_FAILED", "The demo model can't be made here. Fix: set HF_ENDPOINT to a hub that has image-gen/demo."
        ) from error

    async def run() -> Result:
        async with DemoHub() as endpoint:
            return await asyncio.to_thread(work, ModelStore(replace(store.settings, endpoint=endpoint, token=None)))

    return asyncio.run(run())
