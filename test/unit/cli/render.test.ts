import { mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { describeCache } from "../../../cli/commands/cache/status.ts";
import { describeStatus } from "../../../cli/commands/status.ts";
import { alignRows } from "../../../cli/core/context.ts";
import { pathsOf } from "../../../cli/core/paths.ts";
import { environment, pluginEnvironment } from "../../../cli/stack/automation-stack.ts";
import { settingsFor, withNamespaces } from "../../../cli/stack/config.ts";
import { planOf } from "../../../cli/stack/model.ts";
import { planRows } from "../../../cli/targets/plan-rows.ts";

describe("status", () => {
  const nothing = {
    stack: "local",
    mode: null,
    running: false,
    url: null,
    ready: null,
    state: "not running: imagegen up",
    pictures: null,
    cacheBytes: null,
  };
  const ready = {
    phase: "ready",
    bytes_done: 0,
    bytes_total: 0,
    eta_seconds: null,
    error: null,
    model: "a/b",
    revision: "0123456789abcdef",
    device: "cuda",
    source: "volume",
    phases: { starting: 4.04, loading: 11 },
    bytes_per_second: null,
    file: null,
    version: "0.1.0",
  } as const;

  test("of a running service has a row for all that is known", () => {
    const result = {
      ...nothing,
      mode: "docker",
      running: true,
      url: "http://127.0.0.1:8000",
      ready,
      state: "ready on cuda",
      pictures: null,
      cacheBytes: 6.94e9,
    } as const;
    expect(describeStatus(result).split("\n")).toEqual([
      "stack     local (Docker)",
      "state     ready on cuda",
      "url       http://127.0.0.1:8000",
      "model     a/b at 0123456789ab",
      "device    cuda",
      "source    volume",
      "start-up  starting 4.0 s, loading 11.0 s",
      "cache     6.94 GB",
    ]);
  });

  test("of a service that has made pictures has their time and, where a price is known, their cost", () => {
    const pictures = {
      pictures: 40,
      since: "2026-11-27T08:00:00.000Z",
      secondsPerPicture: 9,
      idleShare: 0.9,
      usdPerHour: 0.8048,
      priceSource: "the key usdPerHour",
      busyUsd: 2.01,
      usedUsd: 20.12,
    };
    const unpriced = { ...pictures, usdPerHour: null, priceSource: null, busyUsd: null, usedUsd: null };
    const rows = (each: typeof pictures | typeof unpriced) =>
      describeStatus({ ...nothing, running: true, pictures: each })
        .split("\n")
        .slice(2);
    const made = "pictures  40 since 2026-11-27T08:00:00.000Z, 9 s each, 90 % of the time idle";
    expect(rows(unpriced)).toEqual([made]);
    expect(rows(pictures)).toEqual([
      made,
      "cost      20.12 USD for 1,000 pictures, 2.01 USD of it busy, at 0.8048 USD an hour (the key usdPerHour)",
    ]);
  });

  test("of a process has its pid, and the cache of the machine that it reads too", () => {
    const result = { ...nothing, mode: "process", running: true, pid: 4711, hostCache: "/home/me/hub" } as const;
    expect(describeStatus(result).split("\n")).toEqual([
      "stack     local (a process of this machine, pid 4711)",
      "state     not running: imagegen up",
      "reads too /home/me/hub",
    ]);
  });

  test("of a stack without a service names the command that starts one", () => {
    expect(describeStatus(nothing)).toBe("stack     local\nstate     not running: imagegen up");
  });

  test("of a host in AWS has its instance, heartbeat and volume", () => {
    const result = {
      ...nothing,
      mode: "aws",
      running: true,
      state: "ready on cuda",
      region: "us-east-1",
      host: { id: "i-1", type: "g6.xlarge", state: "running", market: "spot", zone: "us-east-1a" },
      volume: { id: "vol-1", state: "in-use", zone: "us-east-1a", sizeGb: 50 },
      heartbeatSeconds: 12,
    } as const;
    expect(describeStatus(result).split("\n")).toEqual([
      "stack     local (AWS, us-east-1)",
      "host      i-1, g6.xlarge (spot) in us-east-1a, running",
      "state     ready on cuda",
      "heartbeat 12 s ago",
      "volume    vol-1, 50 GB in us-east-1a, in-use",
    ]);
  });
});

test("cache status has a line a model, and marks incomplete ones", () => {
  const mount = { path: "/data", is_mount: true, filesystem: "ext4", bytes_total: 1e12, bytes_free: 5e11 };
  const model = {
    id: "a/b",
    revision: "0123456789abcdef",
    bytes: 1e9,
    files: 2,
    complete: false,
    source: "volume",
    missing: ["x"],
  };
  const places = { hf_home: "/data/huggingface", hub_cache: "/data/huggingface/hub" };
  const text = describeCache({ ...places, mount, models: [model], bytes: 1e9 }, "local");
  expect(text.split("\n")).toEqual([
    "/data/huggingface/hub: 1 GB in 1 model, 500 GB free",
    "  a/b at 0123456789ab  1 GB  incomplete, 1 files missing (volume)",
  ]);
});

test("a plan names sizes, places and times", async () => {
  const plan = await planOf(pathsOf(), settingsFor("local", {}));
  const text = alignRows(planRows(plan), 12);
  expect(text).toContain("stabilityai/stable-diffusion-xl-base-1.0 (6.94 GB)");
  expect(text).toContain("image-game-image-gen at http://127.0.0.1:8000");
  expect(text).toMatch(/first start +1\d min .* at 10 MB\/s/);
});

describe("Pulumi's environment", () => {
  const host = { DOCKER_HOST: "unix:///run/d.sock", PATH: "/bin" };

  test("keeps state and passphrase in the checkout, and makes the passphrase once, for its owner alone", async () => {
    const root = mkdtempSync(join(tmpdir(), "imagegen env "));
    const paths = pathsOf(root);
    const env = await environment(paths, "local", host);
    expect(env.PULUMI_BACKEND_URL).toBe(`file://${root.replaceAll(" ", "%20")}/.imagegen/state`);
    expect(env.PULUMI_CONFIG_PASSPHRASE_FILE).toBe(paths.passphrase);
    expect(env.DOCKER_HOST).toBe("unix:///run/d.sock");
    expect(statSync(paths.passphrase).mode & 0o777).toBe(0o600);
    const made = readFileSync(paths.passphrase, "utf8");
    await environment(paths, "local", host);
    expect(readFileSync(paths.passphrase, "utf8")).toBe(made);
    rmSync(root, { recursive: true });
  });

  test("keeps the user's own settings, an empty passphrase too", async () => {
    const env = await environment(pathsOf("/nowhere"), "local", {
      ...host,
      PULUMI_BACKEND_URL: "s3://x",
      PULUMI_CONFIG_PASSPHRASE: "",
    });
    expect(env).not.toHaveProperty("PULUMI_BACKEND_URL");
    expect(env).not.toHaveProperty("PULUMI_CONFIG_PASSPHRASE_FILE");
  });

  test("downloads no plugin for a stack on Docker, which has its own, unless the user says so", () => {
    const name = "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION";
    expect(pluginEnvironment({}, {})).toEqual({ [name]: "true" });
    expect(pluginEnvironment(withNamespaces({ target: "local" }), {})).toEqual({ [name]: "true" });
    expect(pluginEnvironment(withNamespaces({ target: "aws" }), {})).toEqual({});
    expect(pluginEnvironment({}, { [name]: "false" })).toEqual({});
  });

  test("puts the Node that runs imagegen first on PATH", async () => {
    const env = await environment(pathsOf("/nowhere"), "local", {
      ...host,
      PULUMI_BACKEND_URL: "x",
      PULUMI_CONFIG_PASSPHRASE: "x",
    });
    expect(env.PATH?.startsWith(join(process.execPath, ".."))).toBe(true);
  });
});
