/** Once for the suite: the real image, and tiny random models for the hub. Given to the tests through `inject`. */
import { rmSync } from "node:fs";
import { execa } from "execa";
import type { TestProject } from "vitest/node";
import { baseImage } from "../support/base-image.ts";
import { bridgeGateway } from "../support/docker.ts";
import { makeModels } from "../support/hub.ts";
import { paths } from "../support/paths.ts";

export const SDXL = "stabilityai/stable-diffusion-xl-base-1.0";
export const OTHER = "test/other-model";
export const MEDIUM = "test/medium-model";

declare module "vitest" {
  interface ProvidedContext {
    baseImage: string;
    image: string;
    modelsRoot: string;
    gateway: string;
  }
}

export default async function setup(project: TestProject): Promise<() => void> {
  const base = await baseImage();
  if (!base.reference) throw new Error(base.reason);
  const image = "image-gen:e2e";
  const started = Date.now();
  await execa("docker", ["build", "--build-arg", `BASE_IMAGE=${base.reference}`, "-t", image, paths.imageGen], {
    env: { DOCKER_BUILDKIT: "1" },
    stdio: ["ignore", "ignore", "pipe"],
  });
  console.log(`the image took ${Math.round((Date.now() - started) / 1000)} s to build`);
  const modelsRoot = await makeModels({ [SDXL]: {}, [OTHER]: { seed: 1 }, [MEDIUM]: { size: "medium" } });
  project.provide("baseImage", base.reference);
  project.provide("image", image);
  project.provide("modelsRoot", modelsRoot);
  project.provide("gateway", await bridgeGateway(image));
  return () => rmSync(modelsRoot, { recursive: true, force: true });
}
