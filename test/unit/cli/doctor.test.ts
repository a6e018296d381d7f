import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { type Check, fail } from "../../../cli/doctor/check.ts";
import { machineChecks } from "../../../cli/doctor/checks.ts";
import type { MachineFacts } from "../../../cli/doctor/inspect.ts";
import { makePlan } from "../../../infra/plan/plan.ts";
import { planRoom } from "../../../infra/plan/room.ts";
import type { ReadyState } from "../../../infra/readiness/probe-result.ts";
import { planWith, settingsWith } from "../../support/settings.ts";

/** A disk on which nothing is yet, for a model of 10 GB or for one that nobody knows. */
const disk = (free: number, modelId?: string) => ({
  name: "Docker",
  free,
  room: planRoom(modelId ? makePlan(settingsWith({ modelId }), null, { hasGpu: false }) : planWith()),
});

const healthy: MachineFacts = {
  stack: "local",
  node: { version: "24.21.0", range: "^24.19.0 || >=26.5.0" },
  engine: { ok: true, version: "28.0.0", rootDir: "/var/lib/docker", runtimes: ["runc", "nvidia"] },
  engineHost: "unix:///var/run/docker.sock",
  gpu: true,
  pulumi: { ok: true, version: "3.270.0" },
  disks: [disk(100e9)],
  config: { problems: [], settings: settingsWith({ baseImage: "python:3.12" }) },
  port: { free: true, owner: undefined, ours: false },
  hasBaseImage: true,
  env: {},
  certificates: [],
  uv: "/usr/bin/uv",
  python: "3.12.1",
  service: null,
};
const noDocker = { engine: { ok: false, reason: { message: "Docker is not installed.", fix: "install it" } } } as const;
const ready = { phase: "ready", error: null, model: "a/b", device: "cuda" } as ReadyState;
const mount = { path: "/data", is_mount: true, filesystem: "ext4", bytes_total: 1e12, bytes_free: 5e11 };
const cache = { hf_home: "/data/huggingface", hub_cache: "/data/huggingface/hub", mount, models: [], bytes: 0 };
const running = { mode: "docker", url: "http://127.0.0.1:8000", needsMount: true, ready, cache, doctor: null } as const;

const look = (changes: Partial<MachineFacts>, id: string): Check[] =>
  machineChecks({ ...healthy, ...changes }).filter((check) => check.id === id);

test("a healthy machine passes every check", () => {
  const checks = machineChecks({ ...healthy, service: running });
  expect(checks.filter(({ status }) => status !== "ok")).toEqual([]);
  expect(new Set(checks.map(({ id }) => id)).size).toBeGreaterThan(10);
});

test("every failed check has a fix", () => {
  const worst: MachineFacts = {
    ...healthy,
    ...noDocker,
    uv: undefined,
    python: undefined,
    disks: [disk(1e9)],
    port: { free: false, owner: "nginx (pid 7)", ours: false },
    certificates: [{ variable: "PIP_CERT", file: "/gone", exists: false }],
    service: { ...running, mode: "process", needsMount: false, ready: null, cache: null },
  };
  for (const check of machineChecks(worst).filter(({ status }) => status === "fail")) expect(check.fix).toBeTruthy();
});

describe("each check", () => {
  test.each<[string, Partial<MachineFacts>, string, string, RegExp]>([
    ["an old Node", { node: { ...healthy.node, version: "20.1.0" } }, "node", "fail", /20\.1\.0/],
    ["no Docker, but Python", noDocker, "docker", "warn", /not installed/],
    ["neither Docker nor Python", { ...noDocker, uv: undefined, python: undefined }, "docker", "fail", /not installed/],
    ["Docker elsewhere", { engineHost: "ssh://host" }, "docker", "warn", /another machine/],
    ["no GPU", { gpu: false }, "gpu", "warn", /no NVIDIA GPU/],
    [
      "no container toolkit",
      { engine: { ...healthy.engine, runtimes: ["runc"] } as MachineFacts["engine"] },
      "gpu",
      "fail",
      /can't give/,
    ],
    ["no Pulumi", { pulumi: { ok: false, reason: { message: "none" } } }, "pulumi", "warn", /installs one/],
    ["no base image", { hasBaseImage: false }, "base-image", "warn", /not on this machine yet/],
    ["a full disk", { disks: [disk(15e9)] }, "disk", "fail", /15 GB free.* 25\.9 GB .*the model 10 GB/],
    [
      "a disk with room for what is known",
      { disks: [disk(20e9, "acme/new")] },
      "disk",
      "warn",
      /20 GB free.*not known/,
    ],
    [
      "another program on the port",
      { port: { free: false, owner: "x (pid 1)", ours: false } },
      "port",
      "fail",
      /taken by x/,
    ],
    [
      "the stack's own service on the port",
      { port: { free: false, owner: "x (pid 1)", ours: true } },
      "port",
      "ok",
      /this stack's service/,
    ],
    ["a proxy, without its password", { env: { HTTPS_PROXY: "http://u:p@h:1" } }, "proxy", "ok", /^http:\/\/h:1$/],
    [
      "a lost certificate file",
      { certificates: [{ variable: "PIP_CERT", file: "/x", exists: false }] },
      "certificates",
      "fail",
      /PIP_CERT/,
    ],
    [
      "config mistakes",
      { config: { ...healthy.config, problems: [{ message: "port: no" }] } },
      "config",
      "fail",
      /port: no/,
    ],
    ["a service that does not answer", { service: { ...running, ready: null } }, "service", "fail", /not answering/],
    [
      "a cache in the container",
      { service: { ...running, cache: { ...cache, mount: { ...mount, is_mount: false } } } },
      "cache",
      "fail",
      /downloads the model again/,
    ],
    [
      "HF_HOME beside the volume",
      { service: { ...running, cache: { ...cache, hf_home: "/data2/hf" } } },
      "cache",
      "fail",
      /outside the volume/,
    ],
  ])("%s", (_name, changes, id, status, message) => {
    const [check, ...more] = look(changes, id);
    expect(more).toEqual([]);
    expect(check?.status).toBe(status);
    expect(check?.message).toMatch(message);
  });

  test("cache names an incomplete model", () => {
    const model = { id: "a/b", revision: "c", bytes: 1, files: 1, complete: false, source: "volume" };
    expect(look({ service: { ...running, cache: { ...cache, models: [model] } } }, "cache")).toMatchObject([
      { status: "warn", message: "incomplete: a/b.", fix: "imagegen cache prefetch" },
    ]);
  });

  test("cache needs no mount in process mode", () => {
    const service = {
      ...running,
      mode: "process",
      needsMount: false,
      cache: { ...cache, mount: { ...mount, is_mount: false } },
    } as const;
    expect(look({ service }, "cache")[0]?.status).toBe("ok");
  });

  test("the warnings and failures of image-gen doctor are passed on", () => {
    const orphans = {
      id: "orphans",
      status: "warn",
      message: "1 GB unused.",
      fix: "image-gen clear --orphans",
    } as const;
    const doctor = [{ id: "place", status: "ok", message: "here" } as const, orphans];
    const checks = machineChecks({ ...healthy, service: { ...running, doctor } });
    expect(checks.slice(-1)).toEqual([{ ...orphans, id: "cache.orphans" }]);
  });

  test("image-gen doctor writes the fields that this command reads", () => {
    const { DoctorReport, Check: fields } = JSON.parse(readFileSync("docs/reference/service.json", "utf8")).json;
    expect(DoctorReport.fields).toEqual(["ok", "checks"]);
    expect(fields.fields).toEqual(Object.keys(fail("id", "message", "fix")));
  });

  test("a missing mount that image-gen doctor reports counts in a container only", () => {
    const doctor = [{ id: "mount", status: "fail", message: "the container's own layer" }] as const;
    const failures = (needsMount: boolean) =>
      machineChecks({ ...healthy, service: { ...running, needsMount, doctor } }).filter(
        ({ status }) => status === "fail",
      );
    expect(failures(false)).toEqual([]);
    expect(failures(true).map(({ id }) => id)).toEqual(["cache.mount"]);
  });
});
