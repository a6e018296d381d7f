import { afterAll, beforeAll, describe } from "vitest";
import { AwsDouble } from "../support/aws-double/index.ts";
import { missingForAws } from "../support/aws-double/needs.ts";
import { TestProject, type TestStack } from "../support/engine.ts";

const PROJECT = "Picture-Perfect-Challenge";
type Config = Readonly<Record<string, string | undefined>>;

/** A double of AWS, and a project whose every command talks to it. */
export class AwsSetting {
  readonly #program: string | undefined;
  #double: AwsDouble | undefined;
  #project: TestProject | undefined;

  /** `program`: instead of the checkout's, the one in this folder. */
  constructor(program?: string) {
    this.#program = program;
  }

  get double(): AwsDouble {
    if (!this.#double) throw new Error("the double is started by beforeAll");
    return this.#double;
  }

  get project(): TestProject {
    if (!this.#project) throw new Error("the project is made by beforeAll");
    return this.#project;
  }

  async prepare(): Promise<void> {
    this.#double = await AwsDouble.start();
    const program = this.#program ? { program: this.#program } : {};
    this.#project = new TestProject("stub", { ...program, environment: this.#double.environment });
  }

  /** A stack with this config of the project's, and a region. */
  async stack(name: string, config: Config = {}): Promise<TestStack> {
    const stack = await this.project.stack(name, {});
    this.change(stack, config);
    stack.write({ "aws:region": "us-east-1" });
    return stack;
  }

  change(stack: TestStack, config: Config): void {
    stack.write(Object.fromEntries(Object.entries(config).map(([key, value]) => [`${PROJECT}:${key}`, value])));
  }

  async remove(): Promise<void> {
    await this.#double?.stop();
    this.#project?.remove();
  }
}

/** A group of tests with the real engine and the double; on a machine without an engine it is skipped, and says why. */
export async function awsTests(title: string, setting: AwsSetting, tests: () => void): Promise<void> {
  const missing = await missingForAws();
  if (missing) console.warn(`LEFT OUT: ${title}: ${missing}`);
  describe.skipIf(missing !== undefined)(title, () => {
    beforeAll(async () => setting.prepare());
    afterAll(async () => setting.remove());
    tests();
  });
}
