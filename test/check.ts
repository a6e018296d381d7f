/** `npm run check`: every linter, formatter and type checker, side by side, all of them even when one fails. Changes nothing. */
import { dirname, join } from "node:path";
import { execa } from "execa";
import { paths } from "./support/paths.ts";
import { checksEnvironment } from "./support/python.ts";

const bin = (name: string) => join(paths.root, "node_modules/.bin", name);
const python = await checksEnvironment();
const imageGen = { cwd: paths.imageGen };
/** Scripts without an ending in their names. */
const SCRIPT_FOLDERS = [
  "image-gen/docker",
  "infra/aws/host/files/bin",
  "test/support/host/fakes",
  "test/support/vm/guest",
];
const pythonCode = [".", "../bench", "../scripts/reference", "../test/support/commands"];

const checks: { name: string; command: string; args: string[]; options?: { cwd: string } }[] = [
  { name: "biome", command: bin("biome"), args: ["ci", "--error-on-warnings", "."] },
  { name: "tsc", command: bin("tsc"), args: ["--noEmit"] },
  { name: "oxlint", command: bin("oxlint"), args: ["--type-aware", "--deny-warnings"] },
  { name: "structure", command: process.execPath, args: [join(paths.root, "scripts/structure/index.ts")] },
  { name: "knip", command: bin("knip"), args: [] },
  { name: "ruff", command: python, args: ["-m", "ruff", "check", ...pythonCode], options: imageGen },
  { name: "ruff format", command: python, args: ["-m", "ruff", "format", "--check", ...pythonCode], options: imageGen },
  { name: "mypy", command: python, args: ["-m", "mypy"], options: imageGen },
  {
    name: "import-linter",
    command: join(dirname(python), "lint-imports"),
    args: ["../pyproject.toml", "--no-cache"],
    options: { cwd: join(paths.imageGen, "src") },
  },
];
const shell = await execa("git", ["ls-files", "*.sh", ".ci/run", ...SCRIPT_FOLDERS], { cwd: paths.root });
const scripts: string[] = [];
for (const file of shell.stdout.split("\n").filter(Boolean)) {
  const head = await execa("head", ["-n1", file], { cwd: paths.root });
  if (/^#!.*\b(ba|da)?sh\b|^# shellcheck shell=/.test(head.stdout)) scripts.push(file);
}
if ((await execa("shellcheck", ["--version"], { reject: false })).exitCode === 0)
  checks.push({ name: "shellcheck", command: "shellcheck", args: ["-x", ...scripts] });
else console.log("shellcheck LEFT OUT: it is not on PATH (Debian: apt-get install shellcheck).");

const results = checks.map(({ command, args, options }) =>
  execa(command, args, { cwd: paths.root, ...options, reject: false, all: true }),
);
let failed = 0;
for (const [index, { name }] of checks.entries()) {
  const result = await results[index];
  console.log(`${result?.exitCode === 0 ? "ok  " : "FAIL"} ${name}`);
  if (result?.exitCode !== 0) {
    failed += 1;
    console.log(result?.all ?? String(result?.message));
  }
}
process.exitCode = failed > 0 ? 1 : 0;
