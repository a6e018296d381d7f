/** What a first run shows while packages are installed, and at the end of `up`; and what a script reads. */
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { loopbackWithoutProxy } from "../../../cli/bootstrap.mjs";
import { jsonLines } from "../../../cli/commands/logs.ts";
import { describeUp } from "../../../cli/commands/up.ts";
import { lastWords, logSize, serviceLog } from "../../../cli/targets/process/log-file.ts";
import type { UpResult } from "../../../cli/targets/target.ts";
import { Downloads } from "../../../cli/toolchain/python-packages.ts";

const saved = { path: "/p.png", bytes: 1, seed: 7 };
const result: UpResult = {
  stack: "local",
  mode: "process",
  url: "http://127.0.0.1:8000",
  model: "image-gen/demo",
  device: "cpu",
  source: "download",
  phases: {},
  pid: 4711,
  picture: { ...saved, seconds: 0.5, prompt: "x", images: [saved] },
  seconds: 12,
};

describe("the end of up", () => {
  test("says that the demo's picture is noise, what keeps running, and how to stop it", () => {
    expect(describeUp(result).split("\n")).toEqual([
      "Ready: image-gen/demo on cpu, at http://127.0.0.1:8000 (12 s)",
      "Picture: /p.png (0.5 s; the demo model's weights are random, so it shows noise)",
      "The process 4711 keeps running. To stop it: imagegen down",
    ]);
  });

  test("of another model and stack in Docker says no such thing of the picture", () => {
    const { pid: _, ...inDocker } = { ...result, stack: "second", mode: "docker" as const, model: "a/b" };
    expect(describeUp(inDocker).split("\n").slice(1)).toEqual([
      "Picture: /p.png (0.5 s)",
      "The container keeps running. To stop it: imagegen down --stack second",
    ]);
  });

  test("of a fleet says that hosts come with the first job, and of a stopped one that none does", () => {
    const { pid: _, ...fleet } = { ...result, stack: "aws-fleet", mode: "fleet" as const, url: null, picture: null };
    const places = { queueUrl: "https://sqs/q", jobStore: "s3://b/p" };
    expect(describeUp({ ...fleet, ...places }).split("\n")[0]).toBe(
      "Ready for jobs: image-gen/demo, hosts come with the first one (12 s)",
    );
    expect(describeUp({ ...fleet, ...places, stopped: true }).split("\n")[0]).toBe(
      "Updated: image-gen/demo; the fleet is stopped or drained until imagegen start --stack aws-fleet (12 s)",
    );
    expect(describeUp({ ...fleet, ...places, url: "https://alb.example" }).split("\n")[1]).toBe(
      "Gateway: https://alb.example",
    );
  });
});

test("the downloads of the Python packages are shown by their bytes", () => {
  const downloads = new Downloads();
  const shown = [
    "Resolved 90 packages in 753ms",
    "Downloading torch (800.0MiB)",
    "Downloading numpy (200.0MiB)",
    " Downloaded numpy",
    "Using Python 3.11.7",
    "Installed 90 packages in 81ms",
  ].map((line) => downloads.read(line));
  expect(shown).toEqual([
    { text: "Python packages: resolved 90" },
    { text: "Python packages: 0 B of 839 MB; downloading torch", fraction: 0 },
    { text: "Python packages: 0 B of 1.05 GB; downloading torch, numpy", fraction: 0 },
    { text: "Python packages: 210 MB of 1.05 GB; downloading torch", fraction: 0.2 },
    undefined,
    { text: "Python packages: installed 90" },
  ]);
});

test("logs --json is an object for each line, also where the text comes in pieces", () => {
  const out: string[] = [];
  const lines = jsonLines((text) => void out.push(text));
  for (const piece of ["a\nb", '"c\n', "last"]) lines.write(piece);
  lines.end();
  expect(out).toEqual(['{"line":"a"}\n', '{"line":"b\\"c"}\n', '{"line":"last"}\n']);
});

describe("the log of a process", () => {
  test("has the last words of a service without their time", () => {
    const log = join(mkdtempSync(join(tmpdir(), "imagegen-log-")), "log");
    writeFileSync(log, "2026-11-26T02:00:00.123456789Z [image-gen] no room\n");
    expect(lastWords(log, 0)).toBe("no room");
  });

  test("is continued by the next start, and moved away when it is long", () => {
    const logs = mkdtempSync(join(tmpdir(), "imagegen-log-"));
    const log = serviceLog({ logs }, "local", 10);
    expect(logSize(log)).toBe(0);
    writeFileSync(log, "[image-gen] first\n");
    const from = logSize(log);
    writeFileSync(log, "[image-gen] first\n[image-gen] second\n");
    expect(lastWords(log, from)).toBe("second");
    expect(lastWords(log, logSize(log))).toBe("it wrote nothing");
    expect(serviceLog({ logs }, "local")).toBe(log);
    expect(readFileSync(log, "utf8")).toContain("first");
    serviceLog({ logs }, "local", 10);
    expect(existsSync(log)).toBe(false);
    expect(readFileSync(`${log}.1`, "utf8")).toContain("first");
    rmSync(logs, { recursive: true });
  });
});

test.each([
  [{}, {}],
  [{ NO_PROXY: "a" }, {}],
  [{ HTTP_PROXY: "http://p" }, { NO_PROXY: "localhost,127.0.0.1,::1", no_proxy: "localhost,127.0.0.1,::1" }],
  [{ https_proxy: "http://p", no_proxy: "a, 127.0.0.1" }, { no_proxy: "a,127.0.0.1,localhost,::1" }],
  [{ ALL_PROXY: "http://p", NO_PROXY: "*" }, { NO_PROXY: "*" }],
])("with %o the program and its children have %o, so that loopback takes no proxy", (env, expected) => {
  expect(loopbackWithoutProxy(env)).toEqual(expected);
});
