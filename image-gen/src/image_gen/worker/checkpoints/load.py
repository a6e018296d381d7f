"""The pipeline of a checkpoint, on its device."""

from pathlib import Path
from typing import Any, Final

from image_gen.errors import NotAPipelineError
from image_gen.worker.checkpoints.clip_tokenizer import clip_tokenizer
from image_gen.worker.checkpoints.configuration import as_directory, configuration_of
from image_gen.worker.failures import one_line
from image_gen.worker.lean_imports import without_dynamo

# With which SDXL was trained to fill the second encoder's prompts.
_PAD_XL: Final = "!"
# Empty weights that say how the model was trained: to predict velocities, and from noise alone.
_VELOCITY: Final = "v_pred"
_ZERO_SNR: Final = "ztsnr"


def load_checkpoint(cls: Any, file: Path, kind: str, device: str, arguments: dict[str, Any]) -> Any:
    """Raises NOT_A_PIPELINE for weights that are not those of the kind."""
    index = configuration_of(kind)["model_index.json"]
    given = {"tokenizer": clip_tokenizer(), **arguments}
    if "tokenizer_2" in index:
        given["tokenizer_2"] = clip_tokenizer(_PAD_XL)
    given.pop("use_safetensors", None)

    def work() -> Any:
        with as_directory(kind) as configs:
            if scheduler := _scheduler(file, configs, index["scheduler"][1]):
                given["scheduler"] = scheduler
            return cls.from_single_file(str(file), config=str(configs), **given)

    try:
        return without_dynamo(work).to(device)
    except (KeyError, ValueError) as error:
        raise NotAPipelineError(
            f"{file} has not the weights of a whole {kind} checkpoint: {one_line(error)}. Fix: take another file, or "
            "the directory of a diffusers pipeline"
        ) from error


def _scheduler(file: Path, configs: Path, name: str) -> Any:
    """Of a model that was trained in another way than the configuration says, None for others."""
    import diffusers
    from safetensors import safe_open

    with safe_open(str(file), "pt") as opened:
        names = set(opened.keys())
    if _VELOCITY not in names:
        return None
    cls = getattr(diffusers, name)
    changes = {"prediction_type": "v_prediction"} | ({"rescale_betas_zero_snr": True} if _ZERO_SNR in names else {})
    return cls.from_config(cls.load_config(configs, subfolder="scheduler"), **changes)
