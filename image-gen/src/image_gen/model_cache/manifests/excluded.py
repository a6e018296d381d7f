"""The reasons why files of a repository are not downloaded, with totals."""

from collections import defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass

from image_gen.model_cache.core.manifest import ManifestFile
from image_gen.model_cache.core.report import Report
from image_gen.model_cache.manifests.select import PICKLES

_OTHER_FRAMEWORKS = (".msgpack", ".onnx", ".onnx_data", ".pb", ".h5", ".tflite", ".xml", ".ckpt.index", ".mlmodel")


@dataclass(frozen=True)
class ExcludedFiles(Report):
    """Files that are not needed for one reason; `example` is the largest of them."""

    json_bytes = "size"
    reason: str
    files: int
    size: int
    example: str


def excluded_files(files: Iterable[ManifestFile], chosen: Collection[str]) -> tuple[ExcludedFiles, ...]:
    """Everything that was not chosen, by reason, the largest total first. `chosen` contains paths."""
    directories = {path.rpartition("/")[0] for path in chosen}
    groups: dict[str, list[ManifestFile]] = defaultdict(list)
    for file in files:
        if file.path not in chosen:
            groups[_reason(file.path, directories)].append(file)
    found = [
        ExcludedFiles(reason, len(group), sum(file.size for file in group), max(group, key=lambda file: file.size).path)
        for reason, group in groups.items()
    ]
    return tuple(sorted(found, key=lambda each: -each.size))


def _reason(path: str, directories: Collection[str]) -> str:
    directory, _, leaf = path.rpartition("/")
    if leaf.startswith(("flax_", "openvino_", "tf_", "diffusion_flax_")) or leaf.endswith(_OTHER_FRAMEWORKS):
        return "for another framework than PyTorch"
    if directory not in directories:
        return "in a directory that no chosen component has"
    if leaf.endswith(PICKLES):
        return "pickles, which can run code when loaded; the same weights are there as safetensors"
    if leaf.endswith(".safetensors") or ".safetensors.index" in leaf:
        return (
            "weights in another precision or variant"
            if directory
            else "weights in one file, or another variant; components are loaded one by one"
        )
    return "not read when the model is loaded"
