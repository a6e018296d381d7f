import { type ChildProcess, spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, openSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import OpenAI, { type ClientOptions } from "openai";
import { freePort } from "./engine.ts";
import { paths } from "./paths.ts";
import { pythonEnvironment } from "./python.ts";
import { ready } from "./service.ts";
import { eventually } from "./wait.ts";

const tests = join(paths.imageGen, "tests/serving");

/** `demo`: the demo model on the CPU. `fake`: the real service with a worker that paints noise at once, and fails as a prompt says. */
export type Engine = "demo" | "fake";

/** The service as a process of this machine, with a cache of its own. */
export class PythonService {
  readonly url: string;
  readonly #child: ChildProcess;
  readonly #folder: string;

  private constructor(url: string, child: ChildProcess, folder: string) {
    this.url = url;
    this.#child = child;
    this.#folder = folder;
  }

  /** With `wait: false` it is there when it answers, whatever its state. */
  static async start(
    engine: Engine,
    variables: Readonly<Record<string, string>> = {},
    { wait = true } = {},
  ): Promise<PythonService> {
    const port = await freePort();
    const folder = mkdtempSync(join(tmpdir(), "imagegen-service-"));
    const worker = engine === "fake" ? join(tests, "fake_worker.py") : "-";
    const log = openSync(join(folder, "log"), "w");
    const child = spawn(await pythonEnvironment(), [join(tests, "server_program.py"), worker], {
      stdio: ["ignore", log, log],
      env: {
        PATH: process.env.PATH,
        PYTHONPATH: join(paths.imageGen, "src"),
        HF_HOME: join(folder, "huggingface"),
        IMAGE_GEN_BAKED_DIR: join(folder, "baked"),
        ...(engine === "fake" ? { MODEL_DIR: modelIn(folder) } : { MODEL_ID: "demo" }),
        IMAGE_GEN_DEVICE: "cpu",
        OMP_NUM_THREADS: "1",
        HOST: "127.0.0.1",
        PORT: String(port),
        ...variables,
      },
    });
    const service = new PythonService(`http://127.0.0.1:${port}`, child, folder);
    const there = wait
      ? ready(service.url)
      : eventually("the service to answer", async () => (await fetch(`${service.url}/healthz`)).ok, 60);
    await there.catch((error: unknown) => {
      const text = service.log;
      service.stop();
      throw new Error(`${String(error)}\n${text}`);
    });
    return service;
  }

  /** All that it has logged. */
  get log(): string {
    return readFileSync(join(this.#folder, "log"), "utf8");
  }

  /** Alters a byte of the largest file of a cached model. */
  damage(model: string): void {
    const blobs = join(this.#folder, "huggingface/hub", `models--${model.replace("/", "--")}`, "blobs");
    const sizes = readdirSync(blobs).map((name) => ({
      place: join(blobs, name),
      size: statSync(join(blobs, name)).size,
    }));
    const { place } = sizes.reduce((one, other) => (other.size > one.size ? other : one));
    const content = readFileSync(place);
    content.writeUInt8(content.readUInt8(content.length - 1) ^ 1, content.length - 1);
    writeFileSync(place, content);
  }

  /** OpenAI's client as it comes, with its default retries. */
  client(options: ClientOptions = {}): OpenAI {
    return new OpenAI({ baseURL: `${this.url}/v1`, apiKey: "none", ...options });
  }

  stop(): void {
    this.#child.kill("SIGKILL");
    rmSync(this.#folder, { recursive: true, force: true, maxRetries: 5 });
  }
}

/** A directory that looks like a pipeline; nothing in it can be loaded. */
function modelIn(folder: string): string {
  const model = join(folder, "model");
  mkdirSync(join(model, "unet"), { recursive: true });
  const index = { _class_name: "StableDiffusionXLPipeline", unet: ["diffusers", "UNet2DConditionModel"] };
  writeFileSync(join(model, "model_index.json"), JSON.stringify(index));
  writeFileSync(join(model, "unet/config.json"), "{}");
  writeFileSync(join(model, "unet/diffusion_pytorch_model.safetensors"), "no weights");
  return model;
}
