import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { HEAVY, without } from "../lock.ts";

/**
 * Makes a copy of image-gen's build context small: the same Dockerfile, and the same packages without those that a service on a GPU
 * needs and a build doesn't. With them the image is pushed in three to four minutes on two cores, and takes 25 GB of disk; the
 * suite's questions (what is sent, kept, shown) do not depend on it.
 */
export function reduceImage(context: string): void {
  const lock = join(context, "requirements.lock");
  writeFileSync(lock, without(readFileSync(lock, "utf8"), HEAVY));
  // Its last step imports what was left out.
  const slim = join(context, "docker/slim-venv");
  const lines = readFileSync(slim, "utf8").split("\n");
  writeFileSync(slim, lines.filter((line) => !line.includes("import StableDiffusionXLPipeline")).join("\n"));
}
