import { afterAll, beforeAll, describe } from "vitest";
import { baseImage } from "../support/base-image.ts";
import { dockerIfPossible, removeImages } from "../support/docker.ts";
import { freePort, TestProject } from "../support/engine.ts";
import type { EngineStack } from "../support/engine-stack.ts";
import { missingFor } from "../support/needs.ts";

/** A project for one file of tests, and stacks whose names are nobody else's. */
export class Setting {
  readonly #prefix: string;
  readonly #service: "image-gen" | "stub";
  readonly #program: (() => string) | undefined;
  readonly #names = new Set<string>();
  #project: TestProject | undefined;
  #base = "";

  /** `program`: instead of the checkout's, the one in the folder that this function names. */
  constructor(prefix: string, service: "image-gen" | "stub", program?: () => string) {
    this.#program = program;
    this.#prefix = `imagegen-engine-${prefix}`;
    this.#service = service;
  }

  get project(): TestProject {
    if (!this.#project) throw new Error("the project is made by beforeAll");
    return this.#project;
  }

  async prepare(): Promise<void> {
    this.#base = (await baseImage()).reference ?? "";
    this.#project = new TestProject(this.#service, this.#program?.());
  }

  /** A stack with a container, volume and port of its own. */
  async stack(name: string, config: Readonly<Record<string, string>> = {}): Promise<EngineStack> {
    this.#names.add(name);
    return this.project.stack(name, {
      baseImage: this.#base,
      // The stub's build asks a hub on loopback; the service's shares its steps with the builds of `npm start` and Compose.
      buildNetwork: this.#service === "stub" ? "host" : "default",
      containerName: this.container(name),
      volumeName: this.volume(name),
      imageName: `${this.#prefix}`,
      port: String(await freePort()),
      gpu: "none",
      ...config,
    });
  }

  container(name: string): string {
    return `${this.#prefix}-${name}`;
  }

  volume(name: string): string {
    return `${this.#prefix}-${name}-data`;
  }

  /** Nothing of a test outlives it, passed or failed. */
  async remove(): Promise<void> {
    for (const name of this.#names) {
      await dockerIfPossible("rm", "-f", this.container(name));
      await dockerIfPossible("volume", "rm", this.volume(name));
    }
    await removeImages(this.#prefix);
    this.#project?.remove();
  }
}

/** A group of tests with the real engine; on a machine without one it is skipped, and says why. */
export async function engineTests(title: string, setting: Setting, tests: () => void): Promise<void> {
  const missing = await missingFor("engine");
  if (missing) console.warn(`LEFT OUT: ${title}: ${missing}`);
  describe.skipIf(missing !== undefined)(title, () => {
    beforeAll(async () => setting.prepare());
    afterAll(async () => setting.remove());
    tests();
  });
}

export const IMAGE = "docker:index/remoteImage:RemoteImage";
export const VOLUME = "docker:index/volume:Volume";
export const CONTAINER = "docker:index/container:Container";

/** What a replacement of the container looks like: the old one goes first, both have one name and port. */
export const CONTAINER_REPLACED = [
  `create-replacement ${CONTAINER}`,
  `delete-replaced ${CONTAINER}`,
  `replace ${CONTAINER}`,
];
export const IMAGE_REPLACED = [`create-replacement ${IMAGE}`, `delete-replaced ${IMAGE}`, `replace ${IMAGE}`];
