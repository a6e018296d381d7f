"""The service's engine with marks: what it does, and the order in which it does it, are its own."""

from typing import Any

from image_gen.worker.__main__ import main
from marks import copy_weights, mark

if __name__ == "__main__":
    from image_gen.worker import worker

    prepare = worker.Worker._prepare

    def prepared(self: Any, *arguments: Any) -> None:
        prepare(self, *arguments)
        mark("imports")

    def one_loaded(part: Any, *arguments: Any) -> Any:
        model = load_one(part, *arguments)
        mark(f"{part.name} loaded")
        copy_weights(model, copied)
        mark(part.name)
        return model

    def loaded(*arguments: Any) -> Any:
        mark("verify")
        result = load(*arguments)
        mark("load")
        for part in result.pipeline.components.values():
            copy_weights(part, copied)
        mark("copy")
        return result

    worker.Worker._prepare = prepared  # type: ignore[method-assign] # only adds a mark
    copied: set[int] = set()
    from image_gen.worker import components, pipeline

    load_one, components.load_one = components.load_one, one_loaded
    load, pipeline.load = pipeline.load, loaded
    main()
