"""What a hub says of a model's files, and how a model is asked for."""

from __future__ import annotations

import json
import time
from email.utils import formatdate
from typing import Any

from image_gen_demo.hub import HubHandler
from tests.faults.commands import FaultError
from tests.faults.families import family
from tests.faults.stage import MODEL, Stage

_UNET = "unet/diffusion_pytorch_model.safetensors"


@family("kept list that is wrong", cause=12)
def kept_list(stage: Stage) -> str:
    stage.prefetch().succeeded()
    (kept,) = (stage.home / "image-gen" / "manifests").glob("*model*.json")
    document = json.loads(kept.read_text())
    line = next(each for each in document["files"] if each["path"] == _UNET)
    how = stage.noise.choice(["larger", "smaller", "another hash", "a file too many"])
    if how == "a file too many":
        document["files"].append(line | {"path": "unet/gone.safetensors", "sha256": "1" * 64})
    else:
        line |= (
            {"sha256": "2" * 64}
            if how == "another hash"
            else {"bytes": line["bytes"] + (-7 if how == "smaller" else 7)}
        )
    kept.write_text(json.dumps(document))
    (stage.snapshot() / _UNET).resolve().unlink()
    stage.prefetch().succeeded()
    stage.served()
    return how


@family("list without an end", cause=12)
def endless_list(stage: Stage) -> str:
    how = stage.noise.choice(["the same page", "empty pages", "new files"])

    class Endless(HubHandler):
        def _tree(self, repository: Any, cursor: int) -> None:
            entries = [file.entry() for file in repository.files.values()]
            if cursor and how != "the same page":
                entries = [entries[0] | {"path": f"more/{cursor}.txt"}] if how == "new files" else []
            here = f"http://{self.headers['Host']}{self.path.partition('?')[0]}"
            self._json(entries, {"Link": f'<{here}?recursive=true&expand=false&cursor={cursor + 1}>; rel="next"'})

    stage.hub.RequestHandlerClass = Endless
    try:
        ended = stage.prefetch()
        asked = sum("/tree/" in each["path"] for each in stage.hub.requests)
    finally:
        stage.hub.RequestHandlerClass = HubHandler
    if asked > 200:
        raise FaultError(f"{asked} pages were asked for: {ended}")
    return f"{how}: {asked} pages"


@family("time to wait in an odd form", cause=12)
def retry_after(stage: Stage) -> str:
    form = stage.noise.choice(
        ["a date", "a date", "a date", "-5", "9" * 400, "soon", "1e3", "Mon, 01 Jan 99999 00:00:00 GMT", "\u0661"]
    )
    left = [1]

    class Busy(HubHandler):
        def _serve(self, path: str, query: dict[str, list[str]]) -> None:
            if left:
                left.pop()
                after = formatdate(time.time() + 3, usegmt=True) if form == "a date" else form
                self._error(429, "", "Too many requests", {"Retry-After": after.encode().decode("latin-1")})
                return
            super()._serve(path, query)

    stage.hub.RequestHandlerClass = Busy
    try:
        ended = stage.prefetch()
    finally:
        stage.hub.RequestHandlerClass = HubHandler
    if form == "a date" and (ended.code or ended.seconds < 1.5):
        raise FaultError(f"{ended} after {ended.seconds:.1f} s, though it was to wait until a date")
    return form[:40]


@family("model's id as people paste it", cause=12)
def pasted(stage: Stage) -> str:
    forms = [
        "https://huggingface.co/{}", "https://huggingface.co/{}/tree/main", "hf.co/{}", "{}/", " {} ", "'{}'", "{}\n",
        "http://www.huggingface.co/{}/", "https://huggingface.co/{}/blob/main/model_index.json?x=1", "https://hf.co/{}#top",
    ]  # fmt: skip
    form = stage.noise.choice(forms)
    if stage.noise.random() < 0.5:
        stage.prefetch(form.format(MODEL)).succeeded()
    else:
        stage.run("prefetch", env={"MODEL_ID": form.format(MODEL)}).succeeded()
    stage.served()
    return repr(form)


@family("model's id with its revision", cause=12)
def pasted_revision(stage: Stage) -> str:
    stage.write_model(f"{MODEL}@v2")
    form = stage.noise.choice(
        ["{}@v2", "https://huggingface.co/{}/tree/v2", "hf.co/{}@v2 ", "https://hf.co/{}/blob/v2/a.json"]
    )
    stage.prefetch(form.format(MODEL)).succeeded()
    stage.served(revision="v2")
    stage.run("prefetch", "--revision", "v3", env={"MODEL_ID": f"{MODEL}@v2"}).failed()
    return repr(form)
