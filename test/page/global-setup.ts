/** Once for the suite: the real service with the demo model, and one that asks for a key. Given to the tests through `inject`. */
import type { TestProject } from "vitest/node";
import { PythonService } from "../support/python-service.ts";

export const KEY = "the-key";

declare module "vitest" {
  interface ProvidedContext {
    /** The service with the demo model. */
    url: string;
    /** One that asks for a key, with a worker that paints noise at once. */
    lockedUrl: string;
  }
}

export default async function setup(project: TestProject): Promise<() => void> {
  const services = await Promise.all([
    PythonService.start("demo", { IMAGE_GEN_MAX_IMAGES: "4", IMAGE_GEN_WARMUP_SIZE: "64" }),
    PythonService.start("fake", { IMAGE_GEN_API_KEY: KEY }),
  ]);
  const [demo, locked] = services;
  project.provide("url", demo.url);
  project.provide("lockedUrl", locked.url);
  return () => {
    for (const service of services) service.stop();
  };
}
