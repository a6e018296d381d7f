/**
 * A `gh` for one repository of GitHub. In: a folder, and the arguments of `gh`. Out: what GitHub would print; what was set is in the
 * folder's `github.json`. It refuses what GitHub refuses: a branch that an environment has already, an environment that is not there.
 * GH_SIGNED_OUT: nobody is signed in; GH_PLAN_FREE: the plan has no environments for a private repository.
 */
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

interface GitHubState {
  environments: Record<string, { branches: string[]; variables: Record<string, string> }>;
  variables: Record<string, string>;
}

const [, , folder = "", ...args] = process.argv;
const file = join(folder, "github.json");
const before = existsSync(file) ? readFileSync(file, "utf8") : '{"environments":{},"variables":{}}';
const state = JSON.parse(before) as GitHubState;

const option = (name: string) => args[args.indexOf(name) + 1] ?? "";
const has = (name: string) => args.includes(name);
const path = args.find((word) => word.startsWith("repos/")) ?? "";
const name = /\/environments\/([^/]+)/.exec(path)?.[1] ?? (has("--env") ? option("--env") : "");

function refuse(text: string): never {
  process.stderr.write(`${text}\n`);
  process.exit(1);
}

function environment() {
  return state.environments[name] ?? refuse("gh: Not Found (HTTP 404)");
}

const variables = () => (name === "" ? state.variables : environment().variables);

if (process.env.GH_SIGNED_OUT) refuse("You are not logged into any GitHub hosts.");
if (process.env.GH_PLAN_FREE && path.includes("/environments/")) refuse("gh: Not Found (HTTP 404)");
if (args[0] === "variable" && args[1] === "set") variables()[args[2] ?? ""] = option("--body");
else if (args[0] === "variable" && args[1] === "list") {
  const all = Object.entries(variables()).map(([key, value]) => ({ name: key, value }));
  process.stdout.write(JSON.stringify(all));
} else if (args[0] === "api" && path.endsWith("/deployment-branch-policies")) {
  const { branches } = environment();
  const branch = option("-f").replace(/^name=/, "");
  if (!has("POST")) process.stdout.write(branches.map((each) => `${each}\n`).join(""));
  else if (branches.includes(branch)) refuse("gh: See Other (HTTP 303)");
  else branches.push(branch);
} else if (args[0] === "api" && has("PUT")) state.environments[name] ??= { branches: [], variables: {} };
else if (args[0] === "api" && has("--jq")) process.stdout.write("org/repo 123456/456789 main\n");
else if (args.join(" ") !== "auth status") refuse(`unknown command: gh ${args.join(" ")}`);
// Questions come side by side, and none may find the file half written.
const after = JSON.stringify(state);
if (after !== before) writeFileSync(file, after);
