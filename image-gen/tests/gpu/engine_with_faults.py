"""The real engine; the prompt `fault` reads past the end of a tensor on the GPU, which then reports a fault."""

from typing import Any

from image_gen.worker.__main__ import main

if __name__ == "__main__":
    from image_gen.worker.pictures import generate

    generate_image = generate.generate_image

    def with_faults(loaded: Any, job: Any, cancelled: Any) -> Any:
        if job.prompt == "fault":
            import torch

            torch.zeros(4, device="cuda")[torch.tensor([1 << 20], device="cuda")].cpu()
        return generate_image(loaded, job, cancelled)

    generate.generate_image = with_faults
    main()
