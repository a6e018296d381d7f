import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { execa } from "execa";
import { paths } from "./paths.ts";

/** The last commit whose states, configs, records and caches were made under the earlier names. */
export const EARLIER = "51b7e56";

/** Why the earlier program is not at hand, in one line, or undefined when it is: a shallow clone does not have it. */
export async function missingEarlier(): Promise<string | undefined> {
  const found = await execa("git", ["cat-file", "-e", `${EARLIER}^{commit}`], { cwd: paths.root, reject: false });
  return found.exitCode === 0 ? undefined : `this clone has no commit ${EARLIER}. Fix: git fetch --unshallow`;
}

/** The files of the earlier commit below `names`, in a folder of their own that the caller removes. */
export async function checkOutEarlier(names: readonly string[]): Promise<{ directory: string; remove: () => void }> {
  const directory = mkdtempSync(join(tmpdir(), "imagegen-earlier-"));
  mkdirSync(directory, { recursive: true });
  const archive = join(directory, "tree.tar");
  await execa("git", ["archive", "--output", archive, EARLIER, ...names], { cwd: paths.root });
  await execa("tar", ["-xf", archive, "-C", directory]);
  rmSync(archive);
  return { directory, remove: () => rmSync(directory, { recursive: true, force: true }) };
}
