"""The image's stage that bakes a model has a part of the code alone; the commands that it runs must work with that."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

IMAGE_GEN = Path(__file__).parents[1]


def test_the_code_of_the_stage_that_bakes_is_enough_for_its_command(tmp_path: Path) -> None:
    dockerfile = (IMAGE_GEN / "Dockerfile").read_text(encoding="utf-8")
    stage = dockerfile.split("AS model\n")[1].split("\nFROM ")[0]
    for source, target in re.findall(r"^COPY (src/\S+) /build/(\S+)$", stage, re.MULTILINE):
        for path in IMAGE_GEN.glob(source):
            if path.is_dir():
                shutil.copytree(path, tmp_path / target)
            else:
                (tmp_path / target).mkdir(parents=True, exist_ok=True)
                shutil.copy(path, tmp_path / target)
    # The demo model is made in a process of its own, with more imports.
    for module in ("image_gen bake --help", "image_gen_demo.model --help", "image_gen_demo.hub --help"):
        command = [sys.executable, "-m", *module.split()]
        done = subprocess.run(command, env={"PYTHONPATH": str(tmp_path / "src")}, capture_output=True, check=False)
        assert done.returncode == 0, done.stderr.decode()
