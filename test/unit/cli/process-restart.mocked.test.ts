/** What a process is started again with: all that it has, whatever the shell of the restart has. */
import { type ChildProcess, spawn } from "node:child_process";
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { pathsOf } from "../../../cli/core/paths.ts";
import { identityOf } from "../../../cli/core/process-identity.ts";
import { progressTo } from "../../../cli/core/progress.ts";
import { StackFiles } from "../../../cli/stack/files.ts";
import { environmentOf } from "../../../cli/targets/process/environ.ts";
import { fingerprintOf } from "../../../cli/targets/process/fingerprint.ts";
import { type ProcessRecord, readRecord, stopProcess, writeRecord } from "../../../cli/targets/process/record.ts";
import { earlierProcess, restartProcess } from "../../../cli/targets/process/service.ts";
import { processTarget } from "../../../cli/targets/process/target.ts";

vi.mock("../../../cli/targets/process/environ.ts", { spy: true });
vi.mock("../../../infra/io/docker-probe.ts", { spy: true });

let root: string;
let child: ChildProcess;
const stops = new AbortController();
const paths = () => pathsOf(root);
const context = (signal: AbortSignal = stops.signal) => ({
  paths: paths(),
  files: new StackFiles(paths(), "local"),
  progress: progressTo({ isTTY: false, write: () => true } as unknown as NodeJS.WriteStream),
  json: false,
  signal,
});

/** A checkout whose Python is a program that lives until it is stopped, and has the environment that it was given. */
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "imagegen-restart-"));
  const python = join(root, ".imagegen/venv/bin/python");
  mkdirSync(dirname(python), { recursive: true });
  writeFileSync(python, "#!/bin/sh\nexec sleep 60\n");
  chmodSync(python, 0o755);
  symlinkSync(pathsOf().imageGen, paths().imageGen);
});
afterEach(async () => {
  const left = readRecord(paths(), "local");
  if (left) await stopProcess(paths(), left);
  child.kill("SIGKILL");
  vi.restoreAllMocks();
  vi.unstubAllEnvs();
  rmSync(root, { recursive: true });
});

const PARTS = { IMAGE_GEN_API_KEY: "hash", code: "earlier" };
function running(parts: Record<string, string> | undefined = PARTS): ProcessRecord {
  const env = { ...process.env, IMAGE_GEN_API_KEY: "k", HF_TOKEN: "hf_x", CUDA_VISIBLE_DEVICES: "1" };
  child = spawn("sleep", ["60"], { env, stdio: "ignore", detached: true });
  const pid = child.pid ?? 0;
  const record = {
    pid,
    identity: identityOf(pid) ?? "",
    stack: "local",
    url: "http://127.0.0.1:1",
    port: 1,
    model: "demo",
    startedAt: "2026-11-22T00:00:00Z",
    log: join(root, "log"),
    fingerprint: "x",
    ...(parts ? { parts } : {}),
  };
  writeRecord(paths(), record);
  return record;
}

describe.runIf(process.platform === "linux")("a restart from a shell without the variables of the up", () => {
  test("keeps key, token and GPU", async () => {
    const before = running();
    expect(await restartProcess(context(), { wait: false })).toEqual({ ready: null });
    const after = readRecord(paths(), "local") as ProcessRecord;
    expect(after.pid).not.toBe(before.pid);
    await expect
      .poll(() => environmentOf(after.pid))
      .toMatchObject({
        IMAGE_GEN_API_KEY: "k",
        HF_TOKEN: "hf_x",
        CUDA_VISIBLE_DEVICES: "1",
      });
  });

  test("records what it runs with, and the present code", async () => {
    running();
    await restartProcess(context(), { wait: false });
    const { parts, fingerprint } = readRecord(paths(), "local") as ProcessRecord;
    expect(parts).toEqual({ IMAGE_GEN_API_KEY: "hash", code: expect.stringMatching(/^[0-9a-f]{16}$/) });
    expect(fingerprint).toBe(fingerprintOf(parts ?? {}));
  });

  test("is not one with this shell's key either", async () => {
    running();
    vi.stubEnv("IMAGE_GEN_API_KEY", "another");
    await restartProcess(context(), { wait: false });
    // While the program's shell replaces itself, there is no environment to read.
    const key = () => environmentOf(readRecord(paths(), "local")?.pid ?? 0)?.IMAGE_GEN_API_KEY;
    await expect.poll(key).toBe("k");
  });

  test("interrupted, leaves the service starting, and says so", async () => {
    running();
    const controller = new AbortController();
    const done = processTarget(context(controller.signal)).restart({ wait: true });
    const failed = done?.then(
      () => "no error",
      (error: unknown) => (error as Error).message,
    );
    const first = child.pid;
    await vi.waitFor(() => expect(readRecord(paths(), "local")?.pid ?? first).not.toBe(first), { timeout: 30_000 });
    controller.abort();
    expect(await failed).toMatch(
      /^interrupted\nThe service continues to start at http:\/\/127\.0\.0\.1:1\. Fix: imagegen status/,
    );
    expect(readRecord(paths(), "local")).toBeDefined();
  });
});

describe("where the system does not show a process's environment", () => {
  beforeEach(() => vi.mocked(environmentOf).mockReturnValue(undefined));

  test("a restart without the key is refused, and stops nothing", async () => {
    const before = running();
    await expect(restartProcess(context(), { wait: false })).rejects.toThrow(
      /asks its clients for an API key, and this shell has none\. Fix: export IMAGE_GEN_API_KEY=…/,
    );
    expect(readRecord(paths(), "local")).toEqual(before);
  });

  test("going back to an earlier service is not without its key either", async () => {
    running();
    const { probeService } = await import("../../../infra/io/docker-probe.ts");
    vi.mocked(probeService).mockResolvedValue({ kind: "response", state: { phase: "ready" } } as never);
    const earlier = await earlierProcess(context());
    await expect(earlier?.resume({ wait: false })).rejects.toThrow(/this shell has none/);
  });

  test("a service without a key is restarted", async () => {
    running({ code: "earlier" });
    await restartProcess(context(), { wait: false });
    expect(readFileSync(join(root, ".imagegen/processes/local.json"), "utf8")).not.toContain('"IMAGE_GEN_API_KEY"');
  });
});
