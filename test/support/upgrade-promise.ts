import { readFileSync } from "node:fs";
import { join } from "node:path";
import { paths } from "./paths.ts";

/** The types of resources that an upgrade may replace, as docs/upgrading.md says: the first column of its table. */
export function replaceableTypes(): string[] {
  const page = readFileSync(join(paths.root, "docs/upgrading.md"), "utf8");
  const [, table = ""] = /<!-- replaced:begin -->\n([\s\S]*?)<!-- replaced:end -->/.exec(page) ?? [];
  const types = [...table.matchAll(/^\| `([^`]+)` \|/gm)].flatMap(([, type]) => type ?? []);
  if (types.length === 0) throw new Error("docs/upgrading.md has no table of what an upgrade may replace");
  return types;
}
