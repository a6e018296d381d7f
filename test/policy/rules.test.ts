import { readdirSync } from "node:fs";
import { unknownCheckingProxy } from "@pulumi/policy";
import * as pulumi from "@pulumi/pulumi";
import { describe, expect, test } from "vitest";
import { DockerHost } from "../../infra/docker/container.ts";
import { ServingImage } from "../../infra/docker/image.ts";
import { ModelVolume } from "../../infra/docker/volume.ts";
import { dockerRules, rules } from "../../policy/rules/all.ts";
import { whenKnown } from "../../policy/when-known.ts";
import { type Registered, runProgram, theOnly } from "../support/program.ts";
import { planWith } from "../support/settings.ts";
import { violations } from "./violations.ts";

const CONTAINER = "docker:index/container:Container";
const IMAGE = "docker:index/remoteImage:RemoteImage";
const VOLUME = "docker:index/volume:Volume";
/** Files of `rules/` that are no rules. */
const HELPERS = ["tls-only.ts", "all.ts", "aws-rule.ts", "container-rule.ts", "secret-patterns.ts"];
/** How the engine spells a string that it does not know yet. */
const UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9";
const ID = `sha256:${"0".repeat(64)}`;

const KEY = { envs: ["IMAGE_GEN_API_KEY=k"] };

/** The resources of our own program. */
async function ours(): Promise<readonly Registered[]> {
  const plan = planWith({ modelCache: "baked", memoryMb: 4096, hasToken: true, secretKeys: ["hfToken"] }, true);
  const { resources } = await runProgram(() => {
    const { imageId } = new ServingImage("image-gen", {
      plan: plan.image,
      content: "x",
      secretFiles: [{ id: "hf_token", src: "file" }],
    });
    const { volumeName } = new ModelVolume("image-gen", { plan: plan.cache });
    return [
      imageId,
      new DockerHost("image-gen", {
        plan: plan.host,
        imageId: ID,
        volumeName,
        secrets: { hfToken: pulumi.output("hf_value") },
      }),
    ];
  });
  return resources;
}

test("each file of rules/ is a rule of the pack, under the file's name", () => {
  const files = readdirSync("policy/rules").filter((file) => !HELPERS.includes(file));
  expect(rules.map(({ name }) => `${name}.ts`).sort()).toEqual(files.sort());
  for (const rule of rules) expect(rule.enforcementLevel).toBe("mandatory");
});

test("our own stack keeps every rule", async () => {
  const resources = await ours();
  expect(resources).toHaveLength(6);
  for (const resource of resources) expect(await violations(resource)).toEqual([]);
});

describe("a bad stack breaks", () => {
  test.each<[string, string, Record<string, unknown>]>([
    ["capabilities-dropped", CONTAINER, { capabilities: {} }],
    ["capabilities-dropped", CONTAINER, { capabilities: { drops: ["ALL"], adds: ["CAP_SYS_ADMIN"] } }],
    ["image-pinned", CONTAINER, { image: "image-gen:latest" }],
    ["image-pinned", CONTAINER, { image: "sha256:12" }],
    ["key-for-open-port", CONTAINER, { ports: [{ internal: 8000, external: 8000, ip: "192.0.2.10" }] }],
    ["no-host-namespaces", CONTAINER, { networkMode: "host" }],
    ["no-host-namespaces", CONTAINER, { pidMode: "host" }],
    ["no-new-privileges", CONTAINER, { securityOpts: [] }],
    ["no-new-privileges", CONTAINER, { securityOpts: ["no-new-privileges:false"] }],
    ["not-privileged", CONTAINER, { privileged: true }],
    ["port-not-open-to-all", CONTAINER, { ...KEY, ports: [{ internal: 8000, external: 8000, ip: "0.0.0.0" }] }],
    ["port-not-open-to-all", CONTAINER, { ...KEY, ports: [{ internal: 8000 }] }],
    ["read-only-root", CONTAINER, { readOnly: false }],
    ["no-secret-build-args", IMAGE, { build: { context: ".", buildArgs: { HF_TOKEN: "x" } } }],
    ["no-secret-build-args", IMAGE, { build: { context: ".", buildArgs: { NOTE: "hf_0123456789abcdefgh" } } }],
  ])("%s: %s with %j", async (rule, type, changes) => {
    const good = theOnly(await ours(), type);
    const found = await violations({ ...good, inputs: { ...good.inputs, ...changes } });
    expect(found).toHaveLength(1);
    expect(found[0]).toMatch(new RegExp(`^${rule} ${good.name}: expected .+(?:\\.|Fix: .+)$`));
  });

  test("volume-not-replaced", async () => {
    const good = theOnly(await ours(), VOLUME);
    const found = await violations({ ...good, options: { ...good.options, ignoreChanges: ["driver"] } });
    expect(found).toEqual(["volume-not-replaced image-gen-volume: expected ignoreChanges to have labels, driverOpts."]);
  });

  test("every rule is broken by one of these", async () => {
    const bare: Registered = {
      type: CONTAINER,
      name: "bad",
      inputs: { image: "x", networkMode: "host", privileged: true, envs: [], ports: [{ external: 1 }] },
      options: theOnly(await ours(), CONTAINER).options,
    };
    const broken = (await violations(bare)).map((line) => line.split(" ")[0]);
    const others = ["no-secret-build-args", "volume-not-replaced"];
    expect([...broken, ...others].sort()).toEqual(dockerRules.map(({ name }) => name).sort());
  });
});

test("what a preview can't know is left to the update; what it knows is judged", async () => {
  const pinned = dockerRules.filter(({ name }) => name === "image-pinned").map(whenKnown);
  const container = theOnly(await ours(), CONTAINER);
  const unknown = unknownCheckingProxy({ image: UNKNOWN }) as Record<string, unknown>;
  expect(await violations({ ...container, inputs: unknown }, pinned)).toEqual([]);
  expect(await violations({ ...container, inputs: { image: "image-gen:latest" } }, pinned)).toHaveLength(1);
  const broken = { name: "x", description: "x", validateResource: () => Promise.reject(new Error("a mistake")) };
  await expect(violations(container, [whenKnown(broken)])).rejects.toThrow("a mistake");
});
