/**
 * comment.ts STACK CODE FOLDER: the comment on a pull request about its preview, which ended with CODE, as Markdown. In FOLDER: `events` and `log` of
 * the preview, and where there are any `before.json` and `after.json`, the plans of the base and of the pull request.
 */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { previewComment } from "./preview-comment.ts";

const [stack = "", code = "1", folder = ""] = process.argv.slice(2);
const read = (name: string) => {
  const path = join(folder, name);
  return existsSync(path) ? readFileSync(path, "utf8") : undefined;
};
console.log(
  previewComment(stack, {
    succeeded: code === "0",
    events: read("events") ?? "",
    log: read("log") ?? "",
    before: read("before.json"),
    after: read("after.json"),
  }),
);
