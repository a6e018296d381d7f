/**
 * drift.ts QUESTION EVENTS: what `pulumi refresh` or `pulumi preview` found to differ, from its log of events in the file EVENTS, as Markdown.
 * Exit code 1 when the log does not say that anything does.
 */
import { existsSync, readFileSync } from "node:fs";
import { differences } from "./differences.ts";

const [question = "", events = ""] = process.argv.slice(2);
const report = differences(question, existsSync(events) ? readFileSync(events, "utf8") : "");
if (report === undefined) process.exitCode = 1;
else console.log(report);
