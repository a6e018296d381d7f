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
  "infra/aws/host/files/credentials",
  "infra/aws/host/files/instance-store",
  "test/support/host/fakes",
  "test/support/vm/guest",
];
const pythonCode = [".", "../bench", "../scripts/reference", "../test/support/commands", "../test/support/parliament"];

const checks: { name: string; command: string; args: string[]; options?: { cwd: string } }[] = [
  { name: "biome", command: bin("biome"), args: ["ci", "--error-on-warnings", "."] },
  { name: "tsc", command: bin("tsc"), args: ["--noEmit"] },
  { name: "oxlint", command: bin("oxlint"), args: ["--type-aware", "--deny-warnings"] },
  { name: "structure", command: process.execPath, args: [join(paths.root, "scripts/structure/index.ts")] },
  { name: "knip", command: bin("knip"), args: [] },
  {
    name: "parliament",
    command: process.execPath,
    args: [join(paths.root, "test/support/parliament/check.ts")],
  },
  { name: "ruff", command: python, args: ["-m", "ruff", "check", ...pythonCode], options: imageGen },
  { name: "ruff format", command: python, args: ["-m", "ruff", "format", "--check", ...pythonCode], options: imageGen },
  { name: "mypy", command: python, args: ["-m", "mypy"], options: imageGen },
  {
    name: "import-linter",
    command: join(dirname(python), "lint-imports"),
    args: ["../pyproject.toml", "--no-cache"],
    options: { cwd: join(paths.imageGen, "src") },
  },
  // Without the audits that ask GitHub.
  {
    name: "zizmor",
    command: join(dirname(python), "zizmor"),
    args: ["--offline", "--no-progress", "--quiet", ".github"],
  },
];
const shell = await execa("git", ["ls-files", "*.sh", ".ci/run", ...SCRIPT_FOLDERS], { cwd: paths.root });
const scripts: string[] = [];
for (const file of shell.stdout.split("\n").filter(Boolean)) {
  const head = await execa("head", ["-n1", file], { cwd: paths.root });
  if (/^#!.*\b(ba|da)?sh\b|^# shellcheck shell=/.test(head.stdout)) scripts.push(file);
}
/** Programs of the machine: what they are asked first, what they check, and how to get them. */
const ON_PATH = [
  { name: "shellcheck", probe: "--version", args: ["-x", ...scripts], hint: "Debian: apt-get install shellcheck" },
  {
    name: "actionlint",
    probe: "-version",
    args: [],
    hint: "go install github.com/rhysd/actionlint/cmd/actionlint@v1.7.12",
  },
];
for (const { name, probe, args, hint } of ON_PATH) {
  if ((await execa(name, [probe], { reject: false })).exitCode === 0) checks.push({ name, command: name, args });
  else console.log(`${name} LEFT OUT: it is not on PATH (${hint}).`);
}

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
