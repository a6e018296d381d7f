import { join } from "node:path";
import { execa } from "execa";
import { CONTENT_LABEL } from "../../infra/contract.ts";
import { hashBuildContext, imageContent } from "../../infra/io/build-context.ts";
import type { ImagePlan } from "../../infra/plan/image.ts";
import { contentTag } from "../../infra/plan/image-tags.ts";
import type { Paths } from "../core/paths.ts";
import { hasImage } from "./docker.ts";

/** The tag of the image that the stack would run now, by its own files and arguments. */
export function stackImage({ root }: Pick<Paths, "root">, image: ImagePlan): string {
  const hash = hashBuildContext({ ...image, context: join(root, image.context) });
  return contentTag(image, imageContent(image, hash));
}

/** That image, else the newest that any stack built: each has the program that looks after a cache. */
export async function anyImage(paths: Pick<Paths, "root">, image: ImagePlan): Promise<string | undefined> {
  const tag = stackImage(paths, image);
  if (await hasImage(tag)) return tag;
  const list = ["image", "ls", "--quiet", "--no-trunc", "--filter", `label=${CONTENT_LABEL}`];
  const { exitCode, stdout } = await execa("docker", list, { reject: false, timeout: 15_000 });
  return exitCode === 0 ? stdout.split("\n").find((id) => id !== "") : undefined;
}
