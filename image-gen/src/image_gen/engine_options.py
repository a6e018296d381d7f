"""Names of what makes an engine faster, as IMAGE_GEN_ENGINE_OPTIONS and IMAGE_GEN_FEW_STEPS have them.

`worker/speed/options.py` and `worker/pictures/few_steps.py` define what each does.
"""

from typing import Final

ENGINE_OPTIONS: Final = ("batches", "prompt-cache", "channels-last", "fused-projections")
# Kinds of few-step LoRAs: a mode has the name of its LoRA in IMAGE_GEN_LORAS.
FEW_STEP_MODES: Final = ("lcm", "lightning", "hyper")
# Those that change no picture by more than rounding, measured on the device.
AUTO: Final = "auto"
NONE: Final = "none"


def parse_options(text: str) -> tuple[str, ...]:
    """A list with commas between them. Raises ValueError that says what was expected."""
    names = tuple(dict.fromkeys(part.strip().lower() for part in text.split(",") if part.strip()))
    if names == (NONE,):
        return ()
    if not names or not {*names} <= {AUTO, *ENGINE_OPTIONS}:
        raise ValueError(f"auto, none, or some of {', '.join(ENGINE_OPTIONS)} with commas between them")
    return names
