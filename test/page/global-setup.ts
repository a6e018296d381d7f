/** Once for the suite: the services that its tests use, a set for each worker. Given to them through `serviceUrl`. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestProject } from "vitest/node";
import { KEY } from "../support/page/services.ts";
import { PythonService } from "../support/python-service.ts";

export default async function setup(project: TestProject): Promise<() => void> {
  const folder = mkdtempSync(join(tmpdir(), "imagegen-page-"));
  const lora = join(folder, "lora.safetensors");
  writeFileSync(lora, "no weights");
  const plain = { accepts: ["prompt", "num_inference_steps"], edits: [], schedulers: [], previews: false };
  const start = () =>
    Promise.all([
      PythonService.start("demo", { IMAGE_GEN_MAX_IMAGES: "4", IMAGE_GEN_WARMUP_SIZE: "64" }),
      PythonService.start("fake", { IMAGE_GEN_API_KEY: KEY, IMAGE_GEN_LORAS: `sketch=${lora},pixel=${lora}` }),
      PythonService.start("fake", { IMAGE_GEN_MAX_IMAGES: "1", FAKE_WORKER: JSON.stringify(plain) }),
    ]);
  const services = await Promise.all(Array.from({ length: project.config.maxWorkers }, start));
  const urls = services.map(([demo, locked, other]) => ({ demo: demo.url, locked: locked.url, plain: other.url }));
  project.provide("services", urls);
  return () => {
    for (const service of services.flat()) service.stop();
    rmSync(folder, { recursive: true, force: true });
  };
}
