/** Ends the process at once where this Node is too old for the checkout, and names the one that is needed. */
import { readFileSync } from "node:fs";
import { satisfies } from "../../cli/bootstrap.mjs";

const root = new URL("../../", import.meta.url);
const read = (name: string) => readFileSync(new URL(name, root), "utf8");
const { engines } = JSON.parse(read("package.json")) as { engines: { node: string } };

if (!satisfies(process.version, engines.node)) {
  console.error(
    `Node ${process.versions.node} is too old: expected ${engines.node}. Fix: npm test (it installs a Node of its own), or install Node ${read(".node-version").trim()}`,
  );
  process.exit(1);
}
