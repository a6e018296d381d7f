/** publish.ts STACK FILE: the stack's state without its secrets, in FILE; nothing is written when one would be in it still. */
import { writeFileSync } from "node:fs";
import { execa } from "execa";
import type { StackExport } from "./deployment.ts";
import { leaks } from "./leaks.ts";
import { redact } from "./redact.ts";

const [stack = "", file = ""] = process.argv.slice(2);
/** Its answer is in this process alone. */
const ask = async (...words: string[]) =>
  (await execa("pulumi", [...words, "--stack", stack, "--non-interactive"])).stdout;

const { copy, removed } = redact(JSON.parse(await ask("stack", "export", "--show-secrets")) as StackExport);
const config = JSON.parse(await ask("config", "--show-secrets", "--json")) as Record<
  string,
  { value?: string; secret?: boolean }
>;
const ofConfig = Object.entries(config).flatMap(([key, { value, secret }]) =>
  secret && value ? [[value, `config ${key}`] as const] : [],
);

const text = `${JSON.stringify(copy, null, 2)}\n`;
const found = leaks(text, new Map([...ofConfig, ...removed]));
if (found.length > 0) {
  const holders = found.join(", ");
  console.error(`A secret of ${holders} is outside of secrets too: nothing is written.`);
  console.error("Fix: make it a secret there; if it is none, say so in PROPERTIES of scripts/preview/redact.ts");
  process.exit(1);
}
writeFileSync(file, text);
console.error(`${stack}: ${removed.size} secrets taken out`);
