/** Commands in a checkout of their own, run by the program itself. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { identityOf } from "../../../cli/core/process-identity.ts";
import { buildProgram } from "../../../cli/program.ts";

const checkout = vi.hoisted(() => ({ root: "" }));
vi.mock("../../../cli/core/paths.ts", async (original) => {
  const { pathsOf } = await original<typeof import("../../../cli/core/paths.ts")>();
  return { pathsOf: (root: string = checkout.root) => pathsOf(root) };
});

beforeEach(() => {
  checkout.root = mkdtempSync(join(tmpdir(), "imagegen-checkout-"));
  for (const folder of ["stacks", ".imagegen/stacks"]) mkdirSync(join(checkout.root, folder), { recursive: true });
  writeFileSync(
    join(checkout.root, "stacks/Pulumi.local.yaml"),
    "config:\n  Picture-Perfect-Challenge:target: local\n",
  );
});
afterEach(() => rmSync(checkout.root, { recursive: true }));

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
