import { mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { describeCache } from "../../../cli/commands/cache/status.ts";
import { describePlan } from "../../../cli/commands/plan.ts";
import { describeStatus } from "../../../cli/commands/status.ts";
import { pathsOf } from "../../../cli/core/paths.ts";
import { environment } from "../../../cli/stack/automation-stack.ts";
import { settingsOf } from "../../../cli/stack/config.ts";
import { planOf } from "../../../cli/stack/model.ts";

describe("status", () => {
  const nothing = { stack: "local", mode: null, running: false, url: null, ready: null, cacheBytes: null };
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
      cacheBytes: 6.94e9,
    } as const;
    expect(describeStatus(result).split("\n")).toEqual([
      "stack     local (Docker)",
      "url       http://127.0.0.1:8000",
      "state     ready on cuda",
      "model     a/b at 0123456789ab",
      "device    cuda",
      "source    volume",
      "start-up  starting 4.0 s, loading 11.0 s",
      "cache     6.94 GB",
    ]);
  });

  test("of one that does not answer says so", () => {
    expect(describeStatus({ ...nothing, mode: "process", running: true })).toContain("runs, but does not answer");
  });

  test("of nothing is one line with the command that changes that", () => {
    expect(describeStatus(nothing)).toBe("Nothing runs for the stack local: imagegen up");
    expect(describeStatus({ ...nothing, mode: "docker" })).toContain("its container is stopped");
  });
});

test("the cache has a line a model, and says which is not complete", () => {
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
  const text = describeCache({
    hf_home: "/data/huggingface",
    hub_cache: "/data/huggingface/hub",
    mount,
    models: [model],
    bytes: 1e9,
  });
  expect(text.split("\n")).toEqual([
    "/data/huggingface/hub: 1 GB in 1 model, 500 GB free",
    "  a/b at 0123456789ab  1 GB  incomplete, 1 files missing (volume)",
  ]);
});

test("a plan names sizes, places and times", async () => {
  const plan = await planOf(pathsOf(), settingsOf({}));
  const text = describePlan(plan);
  expect(text).toContain("stabilityai/stable-diffusion-xl-base-1.0 (6.94 GB)");
  expect(text).toContain("image-game-image-gen at http://127.0.0.1:8000");
  expect(text).toMatch(/first start +1\d min .* at 10 MB\/s/);
});

describe("Pulumi's environment", () => {
  const host = { DOCKER_HOST: "unix:///run/d.sock", PATH: "/bin" };

  test("keeps state and passphrase in the checkout, and makes the passphrase once, for its owner alone", async () => {
    const root = mkdtempSync(join(tmpdir(), "imagegen env "));
    const paths = pathsOf(root);
    const env = await environment(paths, host);
    expect(env.PULUMI_BACKEND_URL).toBe(`file://${root.replaceAll(" ", "%20")}/.imagegen/state`);
    expect(env.PULUMI_CONFIG_PASSPHRASE_FILE).toBe(paths.passphrase);
    expect(env.DOCKER_HOST).toBe("unix:///run/d.sock");
    expect(statSync(paths.passphrase).mode & 0o777).toBe(0o600);
    const made = readFileSync(paths.passphrase, "utf8");
    await environment(paths, host);
    expect(readFileSync(paths.passphrase, "utf8")).toBe(made);
    rmSync(root, { recursive: true });
  });

  test("leaves alone what the user has set, an empty passphrase too", async () => {
    const env = await environment(pathsOf("/nowhere"), {
      ...host,
      PULUMI_BACKEND_URL: "s3://x",
      PULUMI_CONFIG_PASSPHRASE: "",
    });
    expect(env).not.toHaveProperty("PULUMI_BACKEND_URL");
    expect(env).not.toHaveProperty("PULUMI_CONFIG_PASSPHRASE_FILE");
  });

  test("puts the Node that runs us first, for the program", async () => {
    const env = await environment(pathsOf("/nowhere"), {
      ...host,
      PULUMI_BACKEND_URL: "x",
      PULUMI_CONFIG_PASSPHRASE: "x",
    });
    expect(env.PATH?.startsWith(join(process.execPath, ".."))).toBe(true);
  });
});
