import { createHash } from "node:crypto";
import { lstatSync, readdirSync, readFileSync, readlinkSync } from "node:fs";
import { join } from "node:path";
import type { ImagePlan } from "../plan/image.ts";

/** Python's own leftovers: they come and go with every test run and are in no build. */
const LEFTOVER = /(?:^|\/)__pycache__$|\.pyc$/;

type BuildFiles = Pick<ImagePlan, "context" | "contextEntries"> & Partial<Pick<ImagePlan, "dockerfile">>;

/**
 * A hash over what a build sees of its context: names, mode bits and contents of the allowed entries, in one order.
 * Times, owners and everything else in the folder do not count. Entries that are missing are left out.
 */
export function hashBuildContext({ context, contextEntries, dockerfile = null }: BuildFiles): string {
  const hash = createHash("sha256");
  const visit = (name: string): void => {
    const path = join(context, name);
    const stat = lstatSync(path, { throwIfNoEntry: false });
    if (!stat || LEFTOVER.test(name)) return;
    const mode = (stat.mode & 0o777).toString(8);
    if (stat.isDirectory()) for (const child of readdirSync(path).sort()) visit(`${name}/${child}`);
    else if (stat.isSymbolicLink()) add(hash, name, "link", Buffer.from(readlinkSync(path)));
    else add(hash, name, mode, readFileSync(path));
  };
  for (const entry of [...contextEntries].sort()) visit(entry);
  if (dockerfile !== null) add(hash, "Dockerfile", "own", readFileSync(dockerfile));
  return hash.digest("hex");
}

/** Lengths are part of it, so that no two trees read the same. */
function add(hash: ReturnType<typeof createHash>, name: string, kind: string, content: Buffer): void {
  hash.update(`${name.length}:${name}:${kind}:${content.length}:`);
  hash.update(content);
}

/** Changes when, and only when, the image would: with the files of the build and its arguments. A secret's value is none. */
export function imageContent({ buildArgs }: Pick<ImagePlan, "buildArgs">, contextHash: string): string {
  const args = Object.entries(buildArgs).sort(([a], [b]) => (a < b ? -1 : 1));
  return createHash("sha256")
    .update(JSON.stringify([contextHash, args]))
    .digest("hex");
}
