import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { baseImage } from "../support/base-image.ts";
import { docker } from "../support/docker.ts";
import { TestProject } from "../support/engine.ts";
import type { EngineStack } from "../support/engine-stack.ts";
import { type Hub, makeModels, startHub } from "../support/hub.ts";
import { paths } from "../support/paths.ts";
import { Builder } from "../support/registry/builder.ts";
import type { Target } from "../support/registry/program/target.ts";
import { reduceImage } from "../support/registry/reduced-image.ts";
import { LoopbackRegistry } from "../support/registry/registry.ts";

export const MODEL = "test/model";
export const REPOSITORY = "image-gen";
const PROGRAM = "test/support/registry/program";

/** Run inside an image, as its own user. */
const LOOK = [
  "import json, os, pathlib, image_gen.cli as code",
  "weights = [path.stat().st_size for path in pathlib.Path('/opt/models').rglob('*.safetensors')]",
  "seen = {'user': os.getuid(), 'megabytes': sum(weights) // 10**6, 'code': code.__file__}",
  "pathlib.Path('/tmp/seen').write_text(json.dumps(seen))",
].join("\n");

/** A registry, a builder, a hub with one gated model, and a project that builds and pushes. */
export class Setting {
  readonly registry: LoopbackRegistry;
  readonly project: TestProject;
  readonly #directory = mkdtempSync(join(tmpdir(), "imagegen-registry-"));
  readonly #builders: Builder[] = [];
  #hub: Hub | undefined;
  #models = "";

  constructor() {
    this.registry = new LoopbackRegistry(join(this.#directory, "registry"));
    this.project = new TestProject("image-gen");
    reduceImage(join(this.project.directory, "image-gen"));
    // As deep as in the checkout: the program's imports stay as they are.
    cpSync(join(paths.root, PROGRAM), join(this.project.directory, PROGRAM), { recursive: true });
    const manifest = JSON.parse(readFileSync(join(paths.root, "package.json"), "utf8")) as object;
    // Without `exports`, which Pulumi would take before `main`.
    this.project.write("package.json", JSON.stringify({ ...manifest, exports: undefined, main: `${PROGRAM}/main.ts` }));
  }

  get hub(): Hub {
    if (!this.#hub) throw new Error("the hub has not started");
    return this.#hub;
  }

  /** The logs of all builders. */
  get builderLogs(): string {
    return this.#builders.map(({ log }) => log).join("\n");
  }

  async prepare(): Promise<Builder> {
    mkdirSync(join(this.#directory, "registry"));
    await this.registry.start();
    const builder = await this.builder("imagegen-first");
    const base = (await baseImage()).reference ?? "";
    const pushed = this.reference("base:bookworm");
    await docker("tag", base, pushed);
    await docker("--config", builder.environment.DOCKER_CONFIG ?? "", "push", "--quiet", pushed);
    await docker("rmi", pushed);
    const scanner = join(paths.root, "test/support/registry/scanner");
    const image = ["--build-arg", `BASE_IMAGE=${pushed}`, "--tag", this.reference("scanner:test"), "--push"];
    await builder.buildx("build", "--builder", builder.name, "--provenance=false", ...image, scanner);
    this.#models = await makeModels({ [MODEL]: {} });
    this.#hub = await startHub(this.#models, "127.0.0.1");
    await this.#hub.knobs({ gated: true });
    return builder;
  }

  /** A builder with nothing in it, as every run of CI has one. */
  async builder(name: string): Promise<Builder> {
    const builder = new Builder(name, this.#directory, this.registry);
    await builder.start();
    this.#builders.push(builder);
    return builder;
  }

  reference(name: string): string {
    return `${this.registry.address}/${name}`;
  }

  /** The stack, with another builder or config than the last time. */
  async stack(builder: Builder, config: Readonly<Record<string, string>>): Promise<EngineStack> {
    const { address, username, password } = this.registry;
    const target: Target = {
      repositoryUrl: this.reference(REPOSITORY),
      address,
      username,
      password,
      builder: builder.name,
      sbomGenerator: this.reference("scanner:test"),
    };
    const settings = {
      modelCache: "baked",
      baseImage: this.reference("base:bookworm"),
      hubEndpoint: this.hub.endpoint,
    };
    const environment = { ...builder.environment, IMAGEGEN_TEST_TARGET: JSON.stringify(target) };
    return this.project.stack("registry", { modelId: MODEL, ...settings, ...config }, environment);
  }

  /** What a machine that has nothing of it yet finds in an image. */
  async lookInto(reference: string): Promise<{ user: number; megabytes: number; code: string }> {
    const reader = await this.builder("imagegen-puller");
    const [context, output] = [join(this.#directory, "look"), join(this.#directory, "seen")];
    mkdirSync(context);
    const run = `RUN ["python", "-c", ${JSON.stringify(LOOK)}]`;
    writeFileSync(
      join(context, "Dockerfile"),
      `FROM ${reference} AS seen\n${run}\nFROM scratch\nCOPY --from=seen /tmp/seen /seen\n`,
    );
    await reader.buildx("build", "--builder", reader.name, "--output", `type=local,dest=${output}`, context);
    return JSON.parse(readFileSync(join(output, "seen"), "utf8")) as { user: number; megabytes: number; code: string };
  }

  async remove(): Promise<void> {
    for (const builder of this.#builders) await builder.stop();
    await this.#hub?.stop();
    await this.registry.stop();
    this.project.remove();
    for (const directory of [this.#directory, this.#models]) rmSync(directory, { recursive: true, force: true });
  }
}
