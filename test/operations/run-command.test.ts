import { createHash } from "node:crypto";
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { progressTo } from "../../cli/core/progress.ts";
import { openSsm } from "../../cli/targets/aws/client/ssm.ts";
import { type HostRun, runOnHost } from "../../cli/targets/aws/host/run-command.ts";
import { quoteAll } from "../../cli/targets/aws/host/shell-quote.ts";
import { AwsApi } from "../support/fakes/moto/aws-api.ts";

const work = mkdtempSync(join(tmpdir(), "imagegen-run-"));
let api: AwsApi;
let run: HostRun;

beforeAll(async () => {
  api = await AwsApi.start();
  Object.assign(process.env, api.environment);
  mkdirSync(join(work, "run"));
});

afterAll(() => {
  api.stop();
  rmSync(work, { recursive: true });
});

beforeEach(async () => {
  await api.reset();
  api.host = { path: `${work}:/usr/bin:/bin`, run: join(work, "run") };
  run = {
    stack: "aws-volume",
    ssm: await openSsm({ region: "us-east-1" }),
    instanceId: "i-0123456789abcdef0",
    progress: progressTo({ write: () => true }),
    signal: new AbortController().signal,
    doing: "a test",
    everySeconds: 0.02,
  };
});

test("a script returns its output, the end of its errors and its exit code", async () => {
  expect(await runOnHost(run, "echo out; echo err >&2; exit 7")).toEqual({
    exitCode: 7,
    stdout: "out\n",
    stderr: "err\n",
  });
});

test.each([0, 20_000, 300_000])(
  "%i incompressible bytes are returned whole, and no file is left on the host",
  async (size) => {
    const { stdout } = await runOnHost(
      run,
      `head -c ${size} /dev/urandom | base64 -w0 | tee ${work}/copy | md5sum; cat ${work}/copy`,
    );
    const [sum, body = ""] = [stdout.slice(0, 32), stdout.slice(stdout.indexOf("\n") + 1)];
    expect(body).toHaveLength(Math.ceil(size / 3) * 4);
    expect(createHash("md5").update(body).digest("hex")).toBe(sum);
    expect(readdirSync(join(work, "run"))).toEqual([]);
    if (size === 300_000) expect(api.calls.filter((call) => call === "SendCommand").length).toBeGreaterThan(10);
  },
);

test("a host whose agent is not connected is reported in one line", async () => {
  api.host = null;
  await expect(runOnHost(run, "true")).rejects.toThrow(
    /^i-0123456789abcdef0 is unreachable\. Its Systems Manager agent/,
  );
});

test("an access error names the missing permission", async () => {
  const message = "User: arn:aws:sts::1:assumed-role/x is not authorized to perform: ssm:SendCommand on resource: y";
  api.refusals.set("SendCommand", { name: "AccessDeniedException", message });
  await expect(runOnHost(run, "true")).rejects.toThrow("a test: access denied: these credentials lack ssm:SendCommand");
});

test("Ctrl-C cancels a running command", async () => {
  const stop = new AbortController();
  const waiting = runOnHost({ ...run, signal: stop.signal }, "sleep 0.5");
  setTimeout(() => stop.abort(new Error("interrupted")), 100);
  await expect(waiting).rejects.toThrow("interrupted");
  expect(api.calls).toContain("CancelCommand");
});

describe("arguments of a container's command", () => {
  const words = [
    "plain",
    "two words",
    "it's",
    '"$HOME"',
    "`id`",
    "$(id)",
    "a\\b",
    "{{ssm:secret}}",
    "{{{",
    "new\nline",
    "*",
    "",
  ];
  test("arrive unchanged", async () => {
    writeFileSync(join(work, "docker"), '#!/bin/bash\nfor word in "$@"; do printf "%s\\0" "$word"; done\n');
    chmodSync(join(work, "docker"), 0o755);
    const { stdout } = await runOnHost(run, `docker ${quoteAll(words)}`);
    expect(stdout.split("\0").slice(0, -1)).toEqual(words);
  });
});
