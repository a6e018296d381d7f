import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeEach, describe, expect, test } from "vitest";
import { pathsOf } from "../../../cli/core/paths.ts";
import { identityOf } from "../../../cli/core/process-identity.ts";
import { processEnvironment } from "../../../cli/targets/process/environment.ts";
import {
  isAlive,
  type ProcessRecord,
  readRecord,
  readRecords,
  stopProcess,
  writeRecord,
} from "../../../cli/targets/process/record.ts";
import { settingsWith } from "../../support/settings.ts";

let folder: string;
let file: string;
let places: { processes: string; oldProcessFile: string };
let child: ChildProcess | undefined;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "imagegen-process-"));
  places = { processes: join(folder, "processes"), oldProcessFile: join(folder, "process.json") };
  file = join(folder, "processes/local.json");
});
afterEach(() => {
  child?.kill("SIGKILL");
  child = undefined;
  rmSync(folder, { recursive: true });
});

/** A real process that runs `code`, and the record of it. Resolves when the code has begun. */
async function start(code = ""): Promise<ProcessRecord> {
  const script = `${code}; process.stdout.write("on"); setInterval(() => {}, 1000);`;
  const started = spawn(process.execPath, ["-e", script], { stdio: ["ignore", "pipe", "ignore"], detached: true });
  child = started;
  await new Promise((done) => started.stdout?.once("data", done));
  const pid = started.pid ?? 0;
  const record: ProcessRecord = {
    pid,
    identity: identityOf(pid) ?? "",
    stack: "local",
    url: "http://127.0.0.1:1",
    port: 1,
    model: "demo",
    startedAt: "2026-11-22T00:00:00Z",
    log: join(folder, "log"),
    fingerprint: "x",
  };
  writeRecord(places, record);
  return record;
}

describe("the record of the running process", () => {
  test("finds the process again", async () => {
    const record = await start();
    expect(readRecord(places, "local")).toEqual(record);
  });

  test("of version 51b7e56 is read as it was written", async () => {
    const { pid, identity } = await start();
    const text = `{
  "pid": ${pid},
  "identity": "${identity}",
  "stack": "local",
  "url": "http://127.0.0.1:8000",
  "port": 8000,
  "model": "demo",
  "startedAt": "2026-11-22T00:00:00.000Z",
  "log": "/checkout/.imagegen/logs/service-local.log",
  "fingerprint": "0123"
}
`;
    rmSync(places.processes, { recursive: true });
    writeFileSync(places.oldProcessFile, text);
    expect(readRecord(places, "other")).toBeUndefined();
    expect(readRecord(places, "local")).toEqual(JSON.parse(text));
    expect(existsSync(places.oldProcessFile)).toBe(false);
    expect(JSON.parse(readFileSync(file, "utf8"))).toEqual(JSON.parse(text));
  });

  test("of each stack is its own", async () => {
    const record = await start();
    writeRecord(places, { ...record, stack: "second" });
    expect(readRecords(places).map(({ stack }) => stack)).toEqual(["local", "second"]);
    await stopProcess(places, record);
    expect(existsSync(file)).toBe(false);
  });

  test("is dropped when the process has ended", async () => {
    const record = await start();
    const ended = new Promise((done) => child?.once("exit", done));
    child?.kill("SIGKILL");
    await ended;
    expect(isAlive(record)).toBe(false);
    expect(readRecord(places, "local")).toBeUndefined();
    expect(existsSync(file)).toBe(false);
  });

  test("is dropped when another process has its pid", async () => {
    const record = await start();
    writeRecord(places, { ...record, identity: "another boot:1" });
    expect(readRecord(places, "local")).toBeUndefined();
    expect(isAlive(record)).toBe(true);
  });

  test.each(["", "{", "{}", '{"pid": "1"}'])("is dropped when it is broken (%j)", (text) => {
    mkdirSync(places.processes, { recursive: true });
    writeFileSync(file, text);
    expect(readRecord(places, "local")).toBeUndefined();
  });
});

describe("stopping", () => {
  test("is polite first", async () => {
    const record = await start(`process.on("SIGTERM", () => process.exit(0))`);
    const code = new Promise((done) => child?.once("exit", done));
    await stopProcess(places, record);
    expect(await code).toBe(0);
    expect(existsSync(file)).toBe(false);
  });

  test("is by force when politeness does not help", async () => {
    const record = await start(`process.on("SIGTERM", () => {})`);
    await stopProcess(places, record, 0.3);
    expect(isAlive(record)).toBe(false);
  });
});

describe("the service's environment", () => {
  const settings = settingsWith({ modelId: "demo", port: 8001 });
  const paths = pathsOf("/checkout");

  test("keeps the cache inside the checkout", () => {
    expect(processEnvironment(paths, settings, { HF_TOKEN: "t", HOME: "/nobody" })).toEqual({
      PYTHONPATH: "/checkout/image-gen/src",
      PYTHONUNBUFFERED: "1",
      HF_HOME: "/checkout/.imagegen/data/huggingface",
      HF_HUB_CACHE: "/checkout/.imagegen/data/huggingface/hub",
      TRANSFORMERS_CACHE: "/checkout/.imagegen/data/huggingface/hub",
      MODEL_ID: "demo",
      MODEL_REVISION: "",
      VAE_ID: "",
      HOST: "127.0.0.1",
      PORT: "8001",
      IMAGE_GEN_BAKED_DIR: "/checkout/.imagegen/models",
    });
  });

  describe("has what the user's other Hugging Face tools have", () => {
    const home = mkdtempSync(join(tmpdir(), "imagegen-home-"));
    afterAll(() => rmSync(home, { recursive: true }));
    for (const folder of ["hf", ".cache/huggingface", "xdg/huggingface", "sub/hf"]) {
      mkdirSync(join(home, folder, "hub"), { recursive: true });
      writeFileSync(join(home, folder, "token"), "hf_login");
    }
    test.each<[NodeJS.ProcessEnv, string, string]>([
      [{}, ".cache/huggingface/hub", ".cache/huggingface/token"],
      [{ HF_HOME: "~/hf" }, "hf/hub", "hf/token"],
      [{ HF_HOME: `${home}/hf` }, "hf/hub", "hf/token"],
      [{ XDG_CACHE_HOME: `${home}/xdg` }, "xdg/huggingface/hub", "xdg/huggingface/token"],
      [{ HUGGINGFACE_HUB_CACHE: `${home}/hf/hub` }, "hf/hub", ".cache/huggingface/token"],
      [{ HF_HUB_CACHE: "~/hf/hub", HF_HOME: `${home}/xdg/huggingface` }, "hf/hub", "xdg/huggingface/token"],
      [{ HF_HOME: "hf", INIT_CWD: `${home}/sub`, npm_lifecycle_event: "start" }, "sub/hf/hub", "sub/hf/token"],
    ])("with %j", (variables, cache, token) => {
      const env = processEnvironment(paths, settings, { HOME: home, ...variables });
      expect(env).toMatchObject({ IMAGE_GEN_HOST_CACHE: join(home, cache), HF_TOKEN_PATH: join(home, token) });
    });
    test.each([{ HF_TOKEN: "t" }, { HUGGING_FACE_HUB_TOKEN: "t" }])("but with %j its own token", (variables) => {
      expect(processEnvironment(paths, settings, { HOME: home, ...variables }).HF_TOKEN_PATH).toBeUndefined();
    });
    test("and paths as the user's shell means them", () => {
      const env = { HOME: home, HF_TOKEN_PATH: "~/hf/token", MODEL_DIR: "model" };
      expect(processEnvironment(paths, settings, env)).toMatchObject({
        HF_TOKEN_PATH: join(home, "hf/token"),
        MODEL_DIR: join(process.cwd(), "model"),
      });
    });
  });

  test("names another hub only when config does", () => {
    const env = processEnvironment(
      paths,
      { ...settings, hubEndpoint: "http://127.0.0.1:9", modelRevision: "main", vaeId: "org/vae" },
      { HF_TOKEN: "t", HOME: "/nobody" },
    );
    expect(env).toMatchObject({ HF_ENDPOINT: "http://127.0.0.1:9", MODEL_REVISION: "main", VAE_ID: "org/vae" });
  });
});
