/**
 * open.ts STACK STATE FOLDER: makes the stack STACK from the copy of its state in the file STATE, in the backend and with the passphrase of the
 * environment. Its config is the checkout's, in FOLDER/Pulumi.STACK.yaml, with the placeholder for each secret.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { execa } from "execa";
import { PROJECT, SECRET_PLACEHOLDER } from "../../infra/contract.ts";
import type { StackExport } from "./deployment.ts";
import { previewFile } from "./stack-file.ts";

const [stack = "", state = "", folder = ""] = process.argv.slice(2);
const pulumi = async (...words: string[]) =>
  (await execa("pulumi", [...words, "--non-interactive"], { cwd: folder })).stdout;

const copy = JSON.parse(readFileSync(state, "utf8")) as StackExport;
const { text, secretKeys } = previewFile(readFileSync(`stacks/Pulumi.${stack}.yaml`, "utf8"));
// A project of its own: the checkout's file of the stack stays as it is.
writeFileSync(join(folder, "Pulumi.yaml"), `name: ${PROJECT}\nruntime: nodejs\n`);
writeFileSync(join(folder, `Pulumi.${stack}.yaml`), text);
await pulumi("stack", "init", stack);
for (const key of secretKeys) await pulumi("config", "set", "--secret", key, SECRET_PLACEHOLDER, "--stack", stack);
// An import takes its key from what it imports.
const { deployment } = JSON.parse(await pulumi("stack", "export", "--stack", stack)) as StackExport;
const { secrets_providers } = deployment;
const imported = join(folder, "import.json");
writeFileSync(imported, JSON.stringify({ ...copy, deployment: { ...copy.deployment, secrets_providers } }));
await pulumi("stack", "import", "--stack", stack, "--file", imported);
