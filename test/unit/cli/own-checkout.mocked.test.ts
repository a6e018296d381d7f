/** Commands in a checkout of their own, run by the program itself. */
import { spawn } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { pathsOf } from "../../../cli/core/paths.ts";
import { identityOf } from "../../../cli/core/process-identity.ts";
import { buildProgram } from "../../../cli/program.ts";
import { StackFiles } from "../../../cli/stack/files.ts";
import { writeRecord } from "../../../cli/targets/process/record.ts";
import { findEngine } from "../../../cli/toolchain/docker.ts";
import { findPulumi } from "../../../cli/toolchain/pulumi.ts";

const checkout = vi.hoisted(() => ({ root: "" }));
vi.mock("../../../cli/core/paths.ts", async (original) => {
  const { pathsOf } = await original<typeof import("../../../cli/core/paths.ts")>();
  return { pathsOf: (root: string = checkout.root) => pathsOf(root) };
});
vi.mock("../../../cli/toolchain/docker.ts", { spy: true });
vi.mock("../../../cli/toolchain/pulumi.ts", { spy: true });

beforeEach(() => {
  checkout.root = mkdtempSync(join(tmpdir(), "imagegen-checkout-"));
  for (const folder of ["stacks", ".imagegen/stacks"]) mkdirSync(join(checkout.root, folder), { recursive: true });
  writeFileSync(
    join(checkout.root, "stacks/Pulumi.local.yaml"),
    "config:\n  Picture-Perfect-Challenge:target: local\n",
  );
});
afterEach(() => {
  vi.unstubAllEnvs();
  rmSync(checkout.root, { recursive: true });
});

test.each([[["restart"]], [["cache", "clear", "--yes", "--restart"]], [["cache", "restore", "x.tar", "--restart"]]])(
  "%j is refused while another command works on the stack",
  async (args) => {
    const holder = {
      pid: process.pid,
      identity: identityOf(process.pid),
      command: "up",
      since: "2026-11-22T10:00:00Z",
    };
    writeFileSync(join(checkout.root, ".imagegen/stacks/local.lock"), JSON.stringify(holder));
    const done = buildProgram(new AbortController().signal).parseAsync([...args], { from: "user" });
    await expect(done).rejects.toThrow(/Another command \(up\) works on the stack local/);
  },
);

test("down of a stack that Pulumi does not know needs no passphrase of its tracked secrets", async () => {
  const secret = "encryptionsalt: v1:users\nconfig:\n  Picture-Perfect-Challenge:apiKey:\n    secure: v1:x\n";
  for (const folder of ["stacks", ".imagegen/stacks"])
    writeFileSync(join(checkout.root, folder, "Pulumi.local.yaml"), secret);
  vi.stubEnv("PULUMI_CONFIG_PASSPHRASE", undefined);
  vi.stubEnv("PULUMI_CONFIG_PASSPHRASE_FILE", undefined);
  new StackFiles(pathsOf(checkout.root), "local").setLastMode("process");
  const down = () => buildProgram(new AbortController().signal).parseAsync(["down"], { from: "user" });
  await expect(down()).rejects.toThrow("Nothing runs for the stack local");
  expect(existsSync(join(checkout.root, ".imagegen/passphrase"))).toBe(false);
});

test("down that lacks the passphrase of a stack's state stops nothing", async () => {
  const tools = vi.mocked(findPulumi).mockResolvedValue({ ok: true, version: "3.260.0" });
  vi.mocked(findEngine).mockResolvedValue({ ok: true, version: "1", rootDir: "", runtimes: [] });
  vi.stubEnv("PULUMI_CONFIG_PASSPHRASE", undefined);
  vi.stubEnv("PULUMI_CONFIG_PASSPHRASE_FILE", undefined);
  const folder = join(checkout.root, ".imagegen/state/.pulumi/stacks/Picture-Perfect-Challenge");
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, "local.json"), '{"x": {"secure": "v1:x"}}');
  writeFileSync(join(checkout.root, ".imagegen/stacks/Pulumi.local.yaml"), "config: {}\n");
  new StackFiles(pathsOf(checkout.root), "local").setLastMode("process");
  const child = spawn("sleep", ["60"], { stdio: "ignore" });
  const pid = child.pid ?? 0;
  const record = { pid, identity: identityOf(pid) ?? "", stack: "local", url: "http://127.0.0.1:1", port: 1 };
  writeRecord(pathsOf(checkout.root), { ...record, model: "demo", startedAt: "", log: "", fingerprint: "" });
  const done = buildProgram(new AbortController().signal).parseAsync(["down"], { from: "user" });
  await expect(done).rejects.toThrow("There is no .imagegen/passphrase");
  expect(child.exitCode ?? child.signalCode).toBeNull();
  child.kill("SIGKILL");
  tools.mockRestore();
  vi.mocked(findEngine).mockRestore();
});
