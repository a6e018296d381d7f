import { afterAll, beforeAll, describe } from "vitest";
import { AwsProviderFake } from "../../aws-fake/index.ts";
import { TestProject } from "../support/engine.ts";
import type { Config, EngineStack } from "../support/engine-stack.ts";
import { missingForAws } from "../support/fakes/aws-provider/needs.ts";

/** A fake of AWS, and a project whose every command talks to it. */
export class AwsSetting {
  readonly #program: string | undefined;
  #fake: AwsProviderFake | undefined;
  #project: TestProject | undefined;

  /** `program`: instead of the checkout's, the one in this folder. */
  constructor(program?: string) {
    this.#program = program;
  }

  get fake(): AwsProviderFake {
    if (!this.#fake) throw new Error("the fake is started by beforeAll");
    return this.#fake;
  }

  get project(): TestProject {
    if (!this.#project) throw new Error("the project is made by beforeAll");
    return this.#project;
  }

  async prepare(): Promise<void> {
    this.#fake = await AwsProviderFake.start();
    this.#project = new TestProject("image-gen", this.#program);
    this.#fake.serve(this.#project.directory);
  }

  /** A stack with this config of the project's, and a region. */
  async stack(name: string, config: Config = {}): Promise<EngineStack> {
    const stack = await this.existing(name);
    stack.change(config);
    stack.write({ "aws:region": "us-east-1" });
    return stack;
  }

  /** A stack whose file is there, as it is. */
  async existing(name: string): Promise<EngineStack> {
    return this.project.stack(name, {}, this.fake.environment);
  }

  async remove(): Promise<void> {
    await this.#fake?.stop();
    this.#project?.remove();
  }
}

/** A group of tests with the real engine and the fake; on a machine without an engine it is skipped, and says why. */
export async function awsTests(title: string, setting: AwsSetting, tests: () => void): Promise<void> {
  const missing = await missingForAws();
  if (missing) console.warn(`LEFT OUT: ${title}: ${missing}`);
  describe.skipIf(missing !== undefined)(title, () => {
    beforeAll(async () => setting.prepare());
    afterAll(async () => setting.remove());
    tests();
  });
}
