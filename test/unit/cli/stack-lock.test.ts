import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { identityOf } from "../../../cli/core/process-identity.ts";
import { withStackLock } from "../../../cli/core/stack-lock.ts";

let stacks: string;
beforeEach(() => {
  stacks = mkdtempSync(join(tmpdir(), "imagegen-lock-"));
});
afterEach(() => rmSync(stacks, { recursive: true }));
const lock = <T>(action: () => Promise<T>, stack = "local") => withStackLock({ stacks }, stack, "up", action);

test("of two at once the second is refused, with the first one's pid, and another stack is not", async () => {
  await lock(async () => {
    await expect(lock(async () => "second")).rejects.toThrow(
      new RegExp(
        `Another command \\(up\\) works on the stack local \\(pid ${process.pid}, .*nothing was changed\\. Fix: .*kill ${process.pid}`,
      ),
    );
    expect(await lock(async () => "other", "second")).toBe("other");
  });
  expect(await lock(async () => "after")).toBe("after");
  expect(readdirSync(stacks)).toEqual([]);
});

test("a failure gives the lock back", async () => {
  await expect(lock(() => Promise.reject(new Error("no")))).rejects.toThrow("no");
  expect(existsSync(join(stacks, "local.lock"))).toBe(false);
});

test("the lock of a killed process is taken over", async () => {
  const child = spawn(process.execPath, ["-e", "setInterval(() => {}, 1000)"]);
  const pid = child.pid ?? 0;
  const holder = { pid, identity: identityOf(pid), command: "up", since: new Date().toISOString() };
  writeFileSync(join(stacks, "local.lock"), JSON.stringify(holder));
  await expect(lock(async () => "early")).rejects.toThrow(`pid ${pid}`);
  const ended = new Promise((done) => child.once("exit", done));
  child.kill("SIGKILL");
  await ended;
  expect(await lock(async () => "mine")).toBe("mine");
});
