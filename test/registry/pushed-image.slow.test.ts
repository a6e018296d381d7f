/** The image stage against a real registry: the very Dockerfile, docker-build's provider, BuildKit, TLS and a log-in. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Run, succeeded } from "../support/engine-stack.ts";
import type { Builder } from "../support/registry/builder.ts";
import { missingForRegistry } from "../support/registry/needs.ts";
import type { Descriptor, Manifest } from "../support/registry/registry-reader.ts";
import { MODEL, REPOSITORY, Setting } from "./setting.ts";

const missing = await missingForRegistry();
if (missing) console.warn(`LEFT OUT: the registry suite: ${missing}`);

const TOKEN = "hf_not_a_real_token_of_the_registry_suite";
const CODE = "image-gen/src/image_gen/serving/app.py";
const MODELS = "COPY /opt/models /opt/models";
const MB = 1_000_000;
const ZSTD = "28b52ffd";
/** What idle connections still say, in bytes; one request is more. */
const QUIET = 500;

interface Config {
  readonly history: readonly { readonly created_by?: string; readonly empty_layer?: boolean }[];
}

describe.skipIf(missing !== undefined)("an image in a registry", () => {
  const setting = new Setting();
  const runs: Run[] = [];
  let builder: Builder;
  let original: string;
  /** Digests of the images that were deployed, oldest first. */
  const deployed: string[] = [];

  /** An update, and what it sent to the registry. */
  async function up(config: Readonly<Record<string, string>> = {}, options = {}): Promise<Run & { sent: number }> {
    const stack = await setting.stack(builder, { hfToken: TOKEN, ...config });
    setting.registry.proxy.forget();
    const run = succeeded(await stack.up(options));
    runs.push(run);
    const reference = String(run.outputs.imageReference);
    const digest = reference.slice(reference.indexOf("@") + 1);
    if (deployed.at(-1) !== digest) deployed.push(digest);
    return { ...run, sent: setting.registry.proxy.sent };
  }

  /** The manifests of a deployed image: what runs, and what is said about it. */
  async function parts(digest: string): Promise<{ image: Manifest; attestations: Manifest }> {
    const index = await setting.registry.reader.manifest(REPOSITORY, digest);
    const [image, attestations] = index.manifests ?? [];
    expect(index.manifests).toHaveLength(2);
    expect(image?.platform).toMatchObject({ os: "linux", architecture: "amd64" });
    expect(attestations?.annotations?.["vnd.docker.reference.type"]).toBe("attestation-manifest");
    const read = async (part?: Descriptor) => setting.registry.reader.manifest(REPOSITORY, part?.digest ?? "");
    return { image: await read(image), attestations: await read(attestations) };
  }

  async function layers(digest: string): Promise<readonly Descriptor[]> {
    return (await parts(digest)).image.layers ?? [];
  }

  /** The layer that the step with `text` made. */
  async function layerOf(digest: string, text: string): Promise<Descriptor | undefined> {
    const { image } = await parts(digest);
    const config = JSON.parse(await setting.registry.reader.blob(REPOSITORY, image.config?.digest ?? "")) as Config;
    const steps = config.history.filter((step) => !step.empty_layer);
    const found = steps.findIndex((step) => step.created_by?.includes(text));
    return image.layers?.[found];
  }

  beforeAll(async () => {
    builder = await setting.prepare();
    original = readFileSync(join(setting.project.directory, CODE), "utf8");
  });
  afterAll(async () => setting.remove());

  test("a preview of a first deploy builds and sends nothing", async () => {
    const stack = await setting.stack(builder, { hfToken: TOKEN });
    setting.registry.proxy.forget();
    const preview = succeeded(await stack.preview());
    runs.push(preview);
    expect(preview.changes).toEqual([
      "create docker-build:index:Image",
      ...Array(2).fill("create docker-build:index:Index"),
    ]);
    expect(setting.registry.proxy.sent).toBeLessThan(QUIET);
  });

  test("the first deploy pushes each layer once, and gives the image's digest out", async () => {
    const { outputs, sent, seconds } = await up();
    expect(String(outputs.imageReference)).toMatch(
      new RegExp(`^${setting.reference(REPOSITORY)}@sha256:[0-9a-f]{64}$`),
    );
    const size = (await layers(deployed[0] ?? "")).reduce((sum, layer) => sum + layer.size, 0);
    expect(size).toBeGreaterThan(50 * MB);
    expect(sent).toBeLessThan(1.1 * size);
    console.log(`a first push sends ${Math.round(sent / MB)} MB in ${Math.round(seconds)} s`);
  });

  test("every layer is zstd, and the model has one of its own", async () => {
    const all = await layers(deployed[0] ?? "");
    const [model, libraries] = [
      await layerOf(deployed[0] ?? "", MODELS),
      await layerOf(deployed[0] ?? "", "/opt/venv"),
    ];
    expect(new Set([model?.digest, libraries?.digest, ...all.slice(-2).map(({ digest }) => digest)]).size).toBe(4);
    expect(model?.size).toBeGreaterThan(1 * MB);
    for (const { mediaType, digest } of all) {
      expect(mediaType).toBe("application/vnd.oci.image.layer.v1.tar+zstd");
      expect((await setting.registry.reader.start(REPOSITORY, digest)).subarray(0, 4).toString("hex")).toBe(ZSTD);
    }
  });

  test("it says where it comes from and what is in it", async () => {
    const { attestations } = await parts(deployed[0] ?? "");
    const said: Record<string, string> = {};
    for (const { annotations, digest } of attestations.layers ?? [])
      said[annotations?.["in-toto.io/predicate-type"] ?? ""] = await setting.registry.reader.blob(REPOSITORY, digest);
    expect(Object.keys(said).sort()).toEqual(["https://slsa.dev/provenance/v1", "https://spdx.dev/Document"]);
    // `max`: the Dockerfile itself, and the arguments.
    expect(said["https://slsa.dev/provenance/v1"]).toContain(MODEL);
    expect(said["https://slsa.dev/provenance/v1"]).toContain(setting.reference("base"));
    expect(said["https://spdx.dev/Document"]).toContain("huggingface_hub");
  });

  test("its tag is its digest; the cache's tag moves", async () => {
    const [digest = ""] = deployed;
    const { reader } = setting.registry;
    const tag = digest.replace("sha256:", "image-");
    expect(await reader.tags(REPOSITORY)).toEqual(["cache-build", tag]);
    expect([await reader.digest(REPOSITORY, tag), await reader.digest(REPOSITORY, "cache-build")]).toEqual([
      digest,
      digest,
    ]);
  });

  test("a second update changes nothing, with another token neither", async () => {
    await up({}, { expectNoChanges: true, refresh: true });
    const { sent } = await up({ hfToken: `${TOKEN}_renewed` }, { expectNoChanges: true });
    expect(sent).toBeLessThan(QUIET);
    expect(deployed).toHaveLength(1);
  });

  test("a changed line of code sends less than 5 MB, and no layer of the model or the libraries", async () => {
    setting.project.write(CODE, `${original}\n# changed\n`);
    const preview = succeeded(await (await setting.stack(builder, { hfToken: TOKEN })).preview());
    expect(preview.changes).toContain("update docker-build:index:Image");
    const { sent, seconds } = await up();
    expect(sent).toBeLessThan(5 * MB);
    const [before, after] = [await layers(deployed[0] ?? ""), await layers(deployed[1] ?? "")];
    expect(await layerOf(deployed[1] ?? "", MODELS)).toEqual(await layerOf(deployed[0] ?? "", MODELS));
    expect(after.filter(({ digest }) => !before.some((layer) => layer.digest === digest))).toHaveLength(1);
    console.log(`a changed line of code sends ${Math.round(sent / 1000)} kB in ${Math.round(seconds)} s`);
  });

  test("a rollback is an update like any other, and no tag of an image is ever moved", async () => {
    setting.project.write(CODE, original);
    expect((await up()).sent).toBeLessThan(5 * MB);
    expect(await layers(deployed[2] ?? "")).toEqual(await layers(deployed[0] ?? ""));
    expect(new Set(deployed).size).toBe(3);
    const { reader } = setting.registry;
    const tags = deployed.map((digest) => digest.replace("sha256:", "image-"));
    expect(await reader.tags(REPOSITORY)).toEqual(["cache-build", ...tags].sort());
    for (const digest of deployed)
      expect(await reader.digest(REPOSITORY, digest.replace("sha256:", "image-"))).toBe(digest);
    expect(await reader.digest(REPOSITORY, "cache-build")).toBe(deployed[2]);
  });

  test("a build that fails shows BuildKit's log, is tried once, and leaves the image that runs", async () => {
    await setting.hub.forget();
    const failed = await (await setting.stack(builder, { hfToken: TOKEN, modelId: "test/no-such-model" })).up();
    runs.push(failed);
    expect(failed.ok).toBe(false);
    const shown = failed.text.slice(failed.text.lastIndexOf("Diagnostics:"));
    expect(shown).toContain("The image could not be built and pushed. The end of BuildKit's log:");
    expect(shown).toContain("has no model test/no-such-model");
    const asked = (await setting.hub.requests()).filter(({ path }) => path.includes("no-such-model"));
    expect(asked.length).toBeLessThanOrEqual(2);
    expect((await up()).outputs.imageReference).toContain(deployed[2]);
  });

  test("an empty builder makes a changed image from the registry's cache: no package and no model is fetched", async () => {
    await builder.stop();
    builder = await setting.builder("imagegen-second");
    await setting.hub.forget();
    setting.project.write(CODE, `${original}\n# changed again\n`);
    const { sent, seconds, changes } = await up();
    expect(changes).toContain("update docker-build:index:Image");
    expect(sent).toBeLessThan(5 * MB);
    expect(await setting.hub.requests()).toEqual([]);
    expect(await layerOf(deployed[3] ?? "", MODELS)).toEqual(await layerOf(deployed[0] ?? "", MODELS));
    console.log(`an empty builder takes ${Math.round(seconds)} s for a changed line of code`);
  });

  test("it is pulled by digest, with its log-in, and has the model and the code", async () => {
    const reference = `${setting.reference(REPOSITORY)}@${deployed[0]}`;
    const seen = await setting.lookInto(reference);
    expect(seen).toEqual({
      user: 10_001,
      megabytes: expect.any(Number),
      code: "/opt/image-gen/src/image_gen/cli/__init__.py",
    });
    expect(seen.megabytes).toBeGreaterThan(1);
  });

  test("the token is in no layer, history, attestation, state or log", async () => {
    const { reader, log } = setting.registry;
    for (const digest of deployed) {
      const { image, attestations } = await parts(digest);
      for (const part of [image, attestations]) {
        const texts = [JSON.stringify(part), await reader.blob(REPOSITORY, part.config?.digest ?? "")];
        expect(texts.join("\n")).not.toContain(TOKEN);
      }
      for (const layer of attestations.layers ?? [])
        expect(await reader.blob(REPOSITORY, layer.digest)).not.toContain(TOKEN);
    }
    for (const { digest } of await layers(deployed[3] ?? ""))
      expect(await reader.layerHas(REPOSITORY, digest, TOKEN)).toBe(false);
    const state = await setting.project.storedState();
    expect(state).toContain(deployed[3]);
    for (const text of [state, log, setting.builderLogs, ...runs.map((run) => run.text)]) {
      expect(text).not.toContain(TOKEN);
      expect(text).not.toContain(setting.registry.password);
    }
  });

  test("the search for a token finds what is there", async () => {
    const all = await layers(deployed[0] ?? "");
    const found = await Promise.all(
      all.map(({ digest }) => setting.registry.reader.layerHas(REPOSITORY, digest, "def make_app")),
    );
    expect(found).toContain(true);
  });

  test("destroy leaves what hosts may still pull", async () => {
    const stack = await setting.stack(builder, { hfToken: TOKEN });
    succeeded(await stack.destroy());
    for (const digest of deployed) expect(await layers(digest)).not.toHaveLength(0);
  });
});
