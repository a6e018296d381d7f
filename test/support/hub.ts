import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { execa } from "execa";
import { paths } from "./paths.ts";
import { pythonEnvironment } from "./python.ts";
import { eventually } from "./wait.ts";

interface HubRequest {
  method: string;
  path: string;
}

/** A hub of our own, with the models named, reachable at `endpoint` until `stop()`. */
export interface Hub {
  endpoint: string;
  requests(): Promise<HubRequest[]>;
  forget(): Promise<void>;
  /** Sets the knobs named and leaves the others as they are. See `python -m image_gen_demo.hub --help`. */
  knobs(knobs: Record<string, unknown>): Promise<void>;
  stop(): Promise<void>;
}

const environment = { PYTHONPATH: join(paths.imageGen, "src") };

/** One model to make: its size (tiny: 3 MB, medium: 300 MB) and the seed of its random weights. */
export interface ModelShape {
  size?: "tiny" | "medium";
  seed?: number;
}

/** Makes random SDXL models under one root, one folder a model id, and returns the root. */
export async function makeModels(models: Record<string, ModelShape>): Promise<string> {
  const python = await pythonEnvironment();
  const root = mkdtempSync(join(tmpdir(), "imagegen-hub-"));
  const code = [
    "import json, sys, pathlib",
    "from image_gen_demo.model import write_model",
    "root, models = pathlib.Path(sys.argv[1]), json.loads(sys.argv[2])",
    "for model, shape in models.items(): write_model(root / model, **shape)",
  ];
  await execa(python, ["-c", code.join("\n"), root, JSON.stringify(models)], { env: environment, stderr: "inherit" });
  return root;
}

export async function startHub(root: string, host: string, port = 0): Promise<Hub> {
  const python = await pythonEnvironment();
  const portFile = join(mkdtempSync(join(tmpdir(), "imagegen-port-")), "port");
  const hub = execa(
    python,
    ["-m", "image_gen_demo.hub", "--root", root, "--host", host, "--port", String(port), "--port-file", portFile],
    {
      env: environment,
      stdio: "ignore",
      reject: false,
    },
  );
  await eventually("the hub's port", () => existsSync(portFile) && readFileSync(portFile, "utf8").trim() !== "", 60);
  const endpoint = `http://${host}:${readFileSync(portFile, "utf8").trim()}`;
  return {
    endpoint,
    async requests() {
      return (await (await fetch(`${endpoint}/_log`)).json()) as HubRequest[];
    },
    async forget() {
      await fetch(`${endpoint}/_log`, { method: "DELETE" });
    },
    async knobs(knobs) {
      const answer = await fetch(`${endpoint}/_knobs`, {
        method: "POST",
        body: JSON.stringify(knobs),
        headers: { "content-type": "application/json" },
      });
      if (!answer.ok) throw new Error(`the hub refused knobs: ${answer.status} ${await answer.text()}`);
    },
    async stop() {
      hub.kill("SIGTERM");
      await hub;
      rmSync(portFile, { force: true });
    },
  };
}
