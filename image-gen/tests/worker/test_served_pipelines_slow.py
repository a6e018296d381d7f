"""The list of pipelines that are served agrees with the library."""

from pathlib import Path

import diffusers

from image_gen.errors import NotAPipelineError
from image_gen.model_cache.manifests import select
from image_gen.worker.pipeline import pipeline_class


def _is_served(name: str) -> bool:
    try:
        pipeline_class(name)
    except (NotAPipelineError, ImportError, RuntimeError):
        return False
    return True


def test_the_list_has_the_pipelines_that_the_worker_loads() -> None:
    """To renew it after an update of diffusers: write what this prints into the file."""
    names = sorted(name for name in dir(diffusers) if name.endswith("Pipeline") and _is_served(name))
    listed = Path(select.__file__).with_name("served_pipelines.txt").read_text(encoding="ascii").split()
    assert names == listed, "\n".join(names)
