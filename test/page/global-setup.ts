/** Once for the suite: the services that its tests use. Given to them through `inject`. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestProject } from "vitest/node";
import { PythonService } from "../support/python-service.ts";

export const KEY = "the-key";

declare module "vitest" {
  interface ProvidedContext {
    /** The service with the demo model. */
    url: string;
    /** One that asks for a key and has two LoRAs, with a worker that paints noise at once. */
    lockedUrl: string;
    /** One of a model that takes a prompt and a number of steps, and nothing else. */
    plainUrl: string;
  }
}

export default async function setup(project: TestProject): Promise<() => void> {
  const folder = mkdtempSync(join(tmpdir(), "imagegen-page-"));
  const lora = join(folder, "lora.safetensors");
  writeFileSync(lora, "no weights");
  const plain = { accepts: ["prompt", "num_inference_steps"], edits: [], schedulers: [], previews: false };
  const services = await Promise.all([
    PythonService.start("demo", { IMAGE_GEN_MAX_IMAGES: "4", IMAGE_GEN_WARMUP_SIZE: "64" }),
    PythonService.start("fake", { IMAGE_GEN_API_KEY: KEY, IMAGE_GEN_LORAS: `sketch=${lora},pixel=${lora}` }),
    PythonService.start("fake", { IMAGE_GEN_MAX_IMAGES: "1", FAKE_WORKER: JSON.stringify(plain) }),
  ]);
  const [demo, locked, other] = services;
  project.provide("url", demo.url);
  project.provide("lockedUrl", locked.url);
  project.provide("plainUrl", other.url);
  return () => {
    for (const service of services) service.stop();
    rmSync(folder, { recursive: true, force: true });
  };
}
