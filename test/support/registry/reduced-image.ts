import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/**
 * What a service on a GPU needs and a build doesn't: 4.7 of its 4.8 GB. With it the image is pushed in three to four minutes on two
 * cores, and takes 25 GB of disk; the ring's questions (what is sent, kept, shown) do not depend on it.
 */
const HEAVY = /^(?:torch|triton|nvidia-|cuda-|numpy|accelerate|diffusers|transformers)/;

/** Makes a copy of image-gen's build context small: the same Dockerfile, and the same packages without the heavy ones. */
export function reduceImage(context: string): void {
  const lock = join(context, "requirements.lock");
  const packages = readFileSync(lock, "utf8").split(/^(?=[a-z0-9])/m);
  writeFileSync(lock, packages.filter((entry) => !HEAVY.test(entry)).join(""));
  // Its last step imports what was left out.
  const slim = join(context, "docker/slim-venv");
  const lines = readFileSync(slim, "utf8").split("\n");
  writeFileSync(slim, lines.filter((line) => !line.includes("import StableDiffusionXLPipeline")).join("\n"));
}
