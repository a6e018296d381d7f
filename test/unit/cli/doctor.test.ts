import { describe, expect, test } from "vitest";
import { type Finding, judge } from "../../../cli/doctor/checks.ts";
import type { Facts } from "../../../cli/doctor/inspect.ts";
import type { ReadyState } from "../../../infra/readiness/probe-result.ts";

const healthy: Facts = {
  node: { version: "24.21.0", range: "^24.19.0 || >=26.5.0" },
  engine: { ok: true, version: "28.0.0", rootDir: "/var/lib/docker", runtimes: ["runc", "nvidia"] },
  engineHost: "unix:///var/run/docker.sock",
  gpu: true,
  pulumi: { ok: true, version: "3.270.0" },
  disks: [{ name: "Docker", free: 100e9 }],
  config: { problems: [], port: 8000, baseImage: "python:3.12" },
  port: { free: true, owner: undefined, ours: false },
  baseImageHere: true,
  env: {},
  certificates: [],
  uv: "/usr/bin/uv",
  python: "3.12.1",
  service: null,
};
const noDocker = { engine: { ok: false, message: "Docker is not installed. Fix: install it" } } as const;
const ready = { phase: "ready", error: null, model: "a/b", device: "cuda" } as ReadyState;
const mount = { path: "/data", is_mount: true, filesystem: "ext4", bytes_total: 1e12, bytes_free: 5e11 };
const cache = { hf_home: "/data/huggingface", hub_cache: "/data/huggingface/hub", mount, models: [], bytes: 0 };
const running = { mode: "docker", ready, cache } as const;

const look = (changes: Partial<Facts>, about: string): Finding[] =>
  judge({ ...healthy, ...changes }).filter((finding) => finding.about === about);

test("a healthy machine has nothing but ok", () => {
  const findings = judge({ ...healthy, service: running });
  expect(findings.filter(({ level }) => level !== "ok")).toEqual([]);
  expect(new Set(findings.map(({ about }) => about)).size).toBeGreaterThan(10);
});

test("whatever is not ok and can be mended says how", () => {
  const worst: Facts = {
    ...healthy,
    ...noDocker,
    uv: undefined,
    python: undefined,
    disks: [{ name: "Docker", free: 1e9 }],
    port: { free: false, owner: "nginx (pid 7)", ours: false },
    certificates: [{ variable: "PIP_CERT", file: "/gone", exists: false }],
    service: { mode: "process", ready: null, cache: null },
  };
  for (const finding of judge(worst).filter(({ level }) => level === "fail")) expect(finding.mend).toBeTruthy();
});

describe("each judgement", () => {
  test.each<[string, Partial<Facts>, string, string, RegExp]>([
    ["an old Node", { node: { ...healthy.node, version: "20.1.0" } }, "node", "fail", /20\.1\.0/],
    ["no Docker, but Python", noDocker, "docker", "warn", /not installed/],
    ["neither Docker nor Python", { ...noDocker, uv: undefined, python: undefined }, "docker", "fail", /not installed/],
    ["Docker elsewhere", { engineHost: "ssh://host" }, "docker", "warn", /another machine/],
    ["no GPU", { gpu: false }, "gpu", "warn", /no NVIDIA GPU/],
    [
      "no container toolkit",
      { engine: { ...healthy.engine, runtimes: ["runc"] } as Facts["engine"] },
      "gpu",
      "fail",
      /can't give/,
    ],
    ["no Pulumi", { pulumi: { ok: false, message: "none" } }, "pulumi", "warn", /installs one/],
    ["no base image", { baseImageHere: false }, "base image", "warn", /not here yet/],
    ["a full disk", { disks: [{ name: "Docker", free: 2e9 }] }, "disk", "fail", /2 GB free/],
    ["a tight disk", { disks: [{ name: "Docker", free: 12e9 }] }, "disk", "warn", /12 GB free/],
    [
      "a stranger on the port",
      { port: { free: false, owner: "x (pid 1)", ours: false } },
      "port",
      "fail",
      /taken by x/,
    ],
    ["us on the port", { port: { free: false, owner: "x (pid 1)", ours: true } }, "port", "ok", /our own/],
    ["a proxy for everything", { env: { HTTPS_PROXY: "http://u:p@h:1" } }, "proxy", "warn", /^http:\/\/h:1 /],
    [
      "a proxy with an exception",
      { env: { HTTPS_PROXY: "http://h:1", NO_PROXY: "a, 127.0.0.1" } },
      "proxy",
      "ok",
      /h:1/,
    ],
    [
      "a lost certificate file",
      { certificates: [{ variable: "PIP_CERT", file: "/x", exists: false }] },
      "certificates",
      "fail",
      /PIP_CERT/,
    ],
    ["config mistakes", { config: { ...healthy.config, problems: ["port: no"] } }, "config", "fail", /port: no/],
    ["a silent service", { service: { ...running, ready: null } }, "service", "fail", /does not answer/],
    [
      "a cache in the container",
      { service: { ...running, cache: { ...cache, mount: { ...mount, is_mount: false } } } },
      "cache",
      "fail",
      /fetches the model again/,
    ],
    [
      "HF_HOME beside the volume",
      { service: { ...running, cache: { ...cache, hf_home: "/data2/hf" } } },
      "cache",
      "fail",
      /outside the volume/,
    ],
  ])("%s", (_name, changes, about, level, text) => {
    const [finding, ...more] = look(changes, about);
    expect(more).toEqual([]);
    expect(finding?.level).toBe(level);
    expect(finding?.text).toMatch(text);
  });

  test("a model that is not complete is named", () => {
    const model = { id: "a/b", revision: "c", bytes: 1, files: 1, complete: false, source: "volume" };
    expect(look({ service: { ...running, cache: { ...cache, models: [model] } } }, "cache")).toMatchObject([
      { level: "warn", text: "incomplete: a/b.", mend: "imagegen cache prefetch" },
    ]);
  });

  test("a process of this machine needs no mount", () => {
    const service = { ...running, mode: "process", cache: { ...cache, mount: { ...mount, is_mount: false } } } as const;
    expect(look({ service }, "cache")[0]?.level).toBe("ok");
  });

  test("what the container's own doctor finds is passed on, unless all is well", () => {
    const inside = [
      { level: "ok", about: "place", text: "here" },
      { level: "warn", about: "orphans", text: "1 GB unused.", mend: "image-gen clear --orphans --yes" },
    ] as const;
    const findings = judge({ ...healthy, service: { ...running, inside } });
    expect(findings.slice(-1)).toEqual([{ ...inside[1], about: "in: orphans" }]);
    const layer = [{ level: "fail", about: "mount", text: "the container's own layer" }] as const;
    const own = judge({ ...healthy, service: { ...running, mode: "process", inside: layer } });
    expect(own.filter(({ level }) => level === "fail")).toEqual([]);
    expect(judge({ ...healthy, service: { ...running, inside: layer } }).at(-1)?.about).toBe("in: mount");
    expect(judge({ ...healthy, service: { ...running, inside: null } })).toEqual(
      judge({ ...healthy, service: running }),
    );
  });
});
