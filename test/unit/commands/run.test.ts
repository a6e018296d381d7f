import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { execa } from "execa";
import { afterAll, describe, expect, test } from "vitest";
import { EXIT } from "../../../cli/core/exit.ts";
import { readTree } from "../../../scripts/structure/source.ts";
import { startsOf } from "../../support/commands/check.ts";
import { printedCommands } from "../../support/commands/harvest.ts";
import { paths } from "../../support/paths.ts";

/** A fresh checkout in which nothing was ever started, on a machine without Docker, Pulumi and AWS. */
const checkout = mkdtempSync(join(tmpdir(), "imagegen-commands-"));
for (const { path } of readTree(["cli", "infra", "stacks", "image-gen/models", "package.json", "Pulumi.yaml"])) {
  mkdirSync(dirname(join(checkout, path)), { recursive: true });
  cpSync(join(paths.root, path), join(checkout, path));
}
symlinkSync(join(paths.root, "node_modules"), join(checkout, "node_modules"));
afterAll(() => rmSync(checkout, { recursive: true, force: true }));

async function imagegen(args: readonly string[], env: Readonly<Record<string, string>> = {}) {
  const options = {
    cwd: checkout,
    env: { PATH: "/none", HOME: checkout, ...env },
    extendEnv: false,
    reject: false,
  } as const;
  return execa(process.execPath, ["cli/main.ts", ...args], { ...options, stdin: "ignore", timeout: 60_000 });
}

/** Commands that change nothing, and ask neither the network nor AWS. */
const READS = /^(plan|--help|--version|up --help|(status|doctor|logs|open|cache status|cache verify)(?!.*aws-))\b/;
/** What a fresh checkout answers: there is nothing yet, or this machine lacks something. Never wrong arguments. */
const ANSWERS: readonly number[] = [EXIT.ok, EXIT.failed, EXIT.missingPrerequisite, EXIT.notRunning];

const words = printedCommands()
  .flatMap(startsOf)
  .map(({ words: all }) => all.filter((word) => word !== "…"))
  .flatMap(([program, ...rest]) => {
    if (program === "npm" && rest[1] === "imagegen") return [rest.slice(3)];
    return program === "imagegen" ? [rest] : [];
  })
  .map((args) => args.filter((word) => word !== "-f").join(" "));
const reads = [...new Set(words)]
  .filter((args) => READS.test(args))
  .filter((args) => !/clear|gc|restore|backup|prefetch/.test(args));

describe.concurrent("a printed command that changes nothing runs in a fresh checkout", () => {
  test.each(reads)("imagegen %s", async (args) => {
    const { exitCode, stderr, stdout } = await imagegen(args.split(" "));
    expect(ANSWERS, `${stdout}\n${stderr}`).toContain(exitCode);
    expect(`${stdout}${stderr}`.trim(), args).not.toBe("");
    expect(stderr).not.toMatch(/^\s+at |Error:|usage: image-gen/m);
  });
});

test.each([
  ["start", "npx imagegen up"],
  ["imagegen", "npx imagegen up"],
  ["npx", "npx imagegen up"],
  ["", "imagegen up"],
])("a message that npm's `%s` caused names a command that its reader's shell finds: %s", async (npm, command) => {
  const { stderr } = await imagegen(["open"], { npm_lifecycle_event: npm });
  expect(stderr).toMatch(new RegExp(`Fix: ${command}$`, "m"));
});

test("at least a dozen printed commands were run", () => {
  expect(reads.length).toBeGreaterThan(11);
});

test.each(["x y", "a/b/c", "folder\\model"])("a model's id that is none is no plan: %s", async (id) => {
  const { exitCode, stderr, stdout } = await imagegen(["plan", "--model", id]);
  expect(stderr).toMatch(/modelId: expected a model on the hub .* Fix: .*imagegen up --config modelId=/);
  expect([exitCode === EXIT.ok, stdout]).toEqual([false, ""]);
});

describe.concurrent("wrong arguments end with exit code 2, in the words of the command that was typed", () => {
  test.each([
    ["cache verify --bad", /unknown option '--bad'/],
    ["cache verify --model --bad", /--model: expected a model's id, got "--bad"\. Fix: --model /],
    ["cache prefetch --revision -x", /--revision: expected a commit, branch or tag/],
    ["cache gc --keep-free lots", /--keep-free: expected a size .* got "lots"\. Fix: --keep-free 20GB/],
    ["cache gc --older-than 30y", /--older-than: expected an age .* Fix: --older-than 30d/],
    ["cache gc", /either --older-than .* Fix: --keep-free 20GB/],
    ["restore-volume snap-1", /unknown command 'restore-volume'/],
  ])("imagegen %s", async (args, problem) => {
    const { exitCode, stderr, stdout } = await imagegen(args.split(" "));
    expect(stderr).toMatch(problem);
    expect(`${stdout}${stderr}`).not.toContain("usage: image-gen");
    expect(exitCode).toBe(EXIT.usage);
  });
});
