"""The service's engine with marks: what it does, and the order in which it does it, are its own."""

from typing import Any

from image_gen.worker.__main__ import main
from marks import FIRST_PICTURE, copy_weights, mark

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

    def generated(*arguments: Any) -> Any:
        try:
            return generate_image(*arguments)
        finally:
            # Also where the numbers of random weights are too large for 16 bits, and the picture is refused.
            mark(FIRST_PICTURE)

    worker.Worker._prepare = prepared  # type: ignore[method-assign] # only adds a mark
    copied: set[int] = set()
    from image_gen.worker import components, pipeline

    load_one, components.load_one = components.load_one, one_loaded
    load, pipeline.load = pipeline.load, loaded
    from image_gen.worker.pictures import generate

    generate_image, generate.generate_image = generate.generate_image, generated
    main()
