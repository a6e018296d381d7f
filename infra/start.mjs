/**
 * The program's entry. In: whatever Node the user's `pulumi` runs. Out: the program's outputs, or one line where this Node can't
 * read it. Plain JavaScript, for the Node that is too old.
 */
import { readFileSync } from "node:fs";
import { log } from "@pulumi/pulumi";

// Pulumi's SDK looks up each frame of each stack trace in source maps, a tenth of a run's CPU time. Node runs this program's sources as they are.
Error.prepareStackTrace = undefined;

const range = JSON.parse(readFileSync(new URL("../package.json", import.meta.url), "utf8")).engines.node;
const [major, minor] = process.versions.node.split(".").map(Number);
const allowed = range.split("||").some((part) => {
  const [, operator, wanted, least] = /(\^|>=)(\d+)\.(\d+)/.exec(part);
  return (major === Number(wanted) && minor >= Number(least)) || (operator === ">=" && major > Number(wanted));
});
if (!allowed) {
  const fix = "put a Node of that range first on PATH, or use npm start, which brings its own";
  await log.error(`The program needs Node ${range}, and runs on ${process.versions.node}. Fix: ${fix}`);
  // Pulumi's code for "the program has said why". A thrown error would take an old Node a minute to print.
  process.exit(32);
}

export default (await import("./index.ts")).default;
