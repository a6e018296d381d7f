"""Makes sure that a safety checker is there: as a model, but of files that no index of a pipeline names."""

from image_gen.errors import SafetyCheckerInvalidError, UnsafeModelError
from image_gen.model_cache.core.manifest import Manifest
from image_gen.model_cache.download.ensure import Ensure
from image_gen.model_cache.manifests.resolve import RepoTree
from image_gen.model_cache.sources.hub import HubClient

CHECKER = "StableDiffusionSafetyChecker"
_WEIGHTS = "model.safetensors"
_FILES = ("config.json", _WEIGHTS, "preprocessor_config.json")


class EnsureChecker(Ensure):
    """A repository with a checker at its top."""

    def _at(self, revision: str) -> Ensure:
        return EnsureChecker(self._settings, self._model_id, revision)

    def _guess(self) -> Manifest | None:
        return None

    def _whole(self) -> list[Manifest]:
        return []

    def listed(self, client: HubClient, revision: str) -> Manifest:
        tree = RepoTree.read(client, self._model_id, revision)
        fix = "Fix: IMAGE_GEN_SAFETY_CHECKER=CompVis/stable-diffusion-safety-checker (the key `safetyChecker`), or none"
        if lacks := [name for name in _FILES if not tree.has(name)]:
            if _WEIGHTS in lacks and any(file.path.endswith(".bin") for file in tree.files):
                raise UnsafeModelError(
                    f"{self._model_id} has its safety checker only as a pickle, which can run code. {fix}"
                )
            raise SafetyCheckerInvalidError(
                f"{self._model_id} is no safety checker: it lacks {', '.join(lacks)}. {fix}"
            )
        files = tuple(tree.completed(file) for file in tree.files if file.path in _FILES)
        return Manifest(
            self._model_id, tree.commit, None, None, files, licence=tree.licence, gated=tree.gated, component=CHECKER
        )
