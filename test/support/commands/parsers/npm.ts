import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { NAMES } from "../../../suites.ts";
import { paths } from "../../paths.ts";
import { checkImagegen } from "./imagegen.ts";

const scripts = (
  JSON.parse(readFileSync(join(paths.root, "package.json"), "utf8")) as { scripts: Record<string, string> }
).scripts;
/** npm's own commands that are printed, each with the options that it may have. */
const COMMANDS: Readonly<Record<string, readonly string[]>> = {
  ci: [],
  i: ["--save-exact"],
  install: [],
  pack: ["--pack-destination"],
  version: ["--no-git-tag-version"],
};

/** What is wrong with a command of npm; what stands behind `--` is for the script. */
export function checkNpm(words: readonly string[]): string | null {
  const [, first = "", ...rest] = words.filter((word) => word !== "…");
  const script = first === "run" ? (rest[0] ?? "") : first;
  if (script in COMMANDS) {
    const unknown = rest.find((word) => word.startsWith("-") && !COMMANDS[script]?.includes(word));
    return unknown ? `npm ${script}: unknown option ${unknown}` : null;
  }
  const options = first === "run" ? rest.slice(1) : rest;
  if (!(script in scripts)) return `package.json has no script ${script}`;
  if (first !== "run" && !["start", "test"].includes(first)) return `npm ${first}: expected npm run ${first}`;
  if (options.length === 0) return null;
  if (options[0] !== "--") return `${options[0]} is for npm, not for the script: -- is missing`;
  return checkScript(script, options.slice(1));
}

function checkScript(script: string, args: readonly string[]): string | null {
  if (script === "imagegen") return checkImagegen(args);
  if (script === "start") return checkImagegen(["up", ...args]);
  if (script === "test:watch")
    return args.every((name) => (NAMES as string[]).includes(name)) ? null : `no suite ${args.join(" ")}`;
  const missing = args.find((word) => word.startsWith("test/") && !existsSync(join(paths.root, word)));
  return missing ? `${missing} does not exist` : null;
}
