import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { satisfies } from "../../cli/bootstrap.mjs";

/** A Node on this machine that is too old for `range` but can run plain modules; undefined where there is none. */
export function findOldNode(range: string): string | undefined {
  return ["/usr/bin/node", "/usr/local/bin/node"].filter(existsSync).find((node) => {
    const version = execFileSync(node, ["--version"], { encoding: "utf8" });
    return satisfies(version, ">=18.0.0") && !satisfies(version, range);
  });
}
