/**
 * plan.ts STACK FOLDER: what a stack would be, and what that costs, as Markdown. In FOLDER, where there are any: `plan`, the plan for people or why
 * there is none, and `before.json` and `after.json`, the plans of the base and of the change.
 */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { nameOf } from "./changes.ts";
import { costReport, readCost } from "./cost.ts";
import { details } from "./details.ts";

const [stack = "", folder = ""] = process.argv.slice(2);
const read = (name: string) => {
  const path = join(folder, name);
  return existsSync(path) ? readFileSync(path, "utf8") : undefined;
};
const after = read("after.json");
console.log(
  [
    `### ${nameOf(stack)}`,
    costReport(readCost(read("before.json")), readCost(after)),
    details("The plan", read("plan") ?? "", { isOpen: after === undefined }),
    "",
  ].join("\n\n"),
);
