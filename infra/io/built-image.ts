import { type ExecFileSyncOptionsWithStringEncoding, execFile, execFileSync } from "node:child_process";
import { promisify } from "node:util";
import { CONTENT_LABEL } from "../contract.ts";
import { UserError } from "../errors.ts";

const ANSWER_MS = 15_000;
const INSPECT = ["image", "inspect", "--format", `{{.Id}} {{index .Config.Labels "${CONTENT_LABEL}"}}`];
const run = promisify(execFile);

export interface BuiltImageArgs {
  /** The image's own tag. */
  readonly tag: string;
  /** What the image was made from, as its label says. */
  readonly content: string;
}

/**
 * Another image that was put under our tag, while ours is gone: then the image has to be built again. Null otherwise, also
 * where the `docker` command can't tell.
 */
export function foreignImage({ tag, content }: BuiltImageArgs): string | null {
  try {
    const [id = "", label] = execFileSync("docker", [...INSPECT, tag], OPTIONS)
      .trim()
      .split(" ");
    const lost = label !== content && execFileSync("docker", list(content), OPTIONS).trim() === "";
    return lost ? id : null;
  } catch {
    return null;
  }
}

/**
 * The id of the image that was made from `content`. The provider finds an image by its tag, and any `docker tag` moves one:
 * so its answer counts only if that image's label agrees. Else it is the image with the label, which is given its tag
 * again unless this is a preview.
 */
export async function identifyImage(
  found: string,
  { tag, content }: BuiltImageArgs,
  preview: boolean,
): Promise<string> {
  const label = await docker(...INSPECT, found);
  // Where the command sees another engine than the provider, the provider's answer is all there is.
  if (label === null || label.endsWith(` ${content}`)) return found;
  const [own] = ((await docker(...list(content))) ?? "").split("\n");
  if (!own)
    throw new UserError(`${tag}: another image has this tag, and the stack's own is gone. Fix: pulumi up --refresh`);
  if (!preview) await docker("image", "tag", own, tag);
  return own;
}

const OPTIONS: ExecFileSyncOptionsWithStringEncoding = {
  encoding: "utf8",
  timeout: ANSWER_MS,
  stdio: ["ignore", "pipe", "ignore"],
};
const list = (content: string) => [
  "image",
  "ls",
  "--quiet",
  "--no-trunc",
  "--filter",
  `label=${CONTENT_LABEL}=${content}`,
];

async function docker(...args: string[]): Promise<string | null> {
  try {
    return (await run("docker", args, { timeout: ANSWER_MS })).stdout.trim();
  } catch {
    return null;
  }
}
