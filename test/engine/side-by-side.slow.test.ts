/**
 * Two checkouts, each with a stack that keeps its model in a volume and one that bakes it, side by side on one engine: whatever
 * the order, and whatever `docker tag` does, each runs the image that its own files and arguments made.
 */
import { afterAll, beforeAll, expect, test } from "vitest";
import { docker, dockerIfPossible } from "../support/docker.ts";
import { type Run, succeeded } from "../support/engine-stack.ts";
import { CONTAINER, engineTests, IMAGE, Setting } from "./setting.ts";

/** One name of images for all of them, as by default. */
const IMAGES = "imagegen-engine-here";
const here = new Setting("here", "stub");
const there = new Setting("there", "stub");
const checkouts = { here, there };

interface Place {
  readonly checkout: "here" | "there";
  readonly stack: "local" | "local-baked";
}
const PLACES: readonly Place[] = [
  { checkout: "here", stack: "local" },
  { checkout: "there", stack: "local" },
  { checkout: "there", stack: "local-baked" },
  { checkout: "here", stack: "local-baked" },
];

const ports = new Map<string, string>();
const stackAt = async ({ checkout, stack }: Place) => {
  const modelId = stack === "local" ? "stub/ready" : `stub/${checkout}`;
  const modelCache = stack === "local" ? "volume" : "baked";
  const key = `${checkout} ${stack}`;
  const port = ports.get(key);
  return checkouts[checkout].stack(stack, { modelId, modelCache, imageName: IMAGES, ...(port ? { port } : {}) });
};
const containerAt = ({ checkout, stack }: Place) => checkouts[checkout].container(stack);
const idOf = async (place: Place) => docker("inspect", "-f", "{{.Id}} {{.Image}}", containerAt(place));
const imageOf = async (reference: string) => docker("image", "inspect", "-f", "{{.Id}}", reference);

/** What the place serves now, by the service's own answer. */
async function expectOwn({ checkout, stack }: Place, { outputs }: Run): Promise<void> {
  ports.set(`${checkout} ${stack}`, new URL(String(outputs.url)).port);
  const state = (await (await fetch(String(outputs.readyUrl))).json()) as Record<string, unknown>;
  expect(state).toMatchObject({ version: checkout, model: stack === "local" ? "stub/ready" : `stub/${checkout}` });
  expect(outputs.modelCache).toBe(stack === "local" ? "volume" : "baked");
  expect(state.source === "baked").toBe(stack === "local-baked");
}

await engineTests("two checkouts and their baked stacks", here, () => {
  const runs = new Map<Place, Run>();

  beforeAll(async () => {
    await there.prepare();
    for (const [name, setting] of Object.entries(checkouts)) setting.project.write("image-gen/src/code", name);
  });
  afterAll(async () => there.remove());

  test("each serves its own code and model after the first up of all", async () => {
    for (const place of PLACES) runs.set(place, succeeded(await (await stackAt(place)).up()));
    for (const place of PLACES) await expectOwn(place, runs.get(place) as Run);
    expect(new Set([...runs.values()].map(({ outputs }) => outputs.imageId)).size).toBe(4);
    // The guide's name is the last stack's of that name, and nothing runs by it.
    expect(await imageOf(`${IMAGES}:volume`)).toBe(runs.get(PLACES[1] as Place)?.outputs.imageId);
  });

  test("up --refresh, in another order, changes nothing", async () => {
    for (const index of [2, 0, 3, 1]) {
      const place = PLACES[index] as Place;
      const before = await idOf(place);
      await expectOwn(place, succeeded(await (await stackAt(place)).up({ refresh: true, expectNoChanges: true })));
      expect(await idOf(place)).toBe(before);
    }
  });

  test("docker tag puts another's image under its tag", async () => {
    const [place, other] = [PLACES[0], PLACES[1]] as [Place, Place];
    const [own, foreign] = [place, other].map((each) => runs.get(each)?.outputs) as [Run["outputs"], Run["outputs"]];
    const before = await idOf(place);
    for (const tag of [String(own.imageName), `${IMAGES}:volume`, `${IMAGES}:baked`])
      await docker("tag", String(foreign.imageId), tag);
    for (const refresh of [true, false]) {
      const run = succeeded(await (await stackAt(place)).up({ refresh }));
      expect(run.changes.filter((change) => change.includes(CONTAINER) && !change.startsWith("refresh"))).toEqual([]);
      await expectOwn(place, run);
    }
    expect(await idOf(place)).toBe(before);
    // The tag is its own again, and there is nothing left to do.
    expect(await imageOf(String(own.imageName))).toBe(own.imageId);
    succeeded(await (await stackAt(place)).up({ refresh: true, expectNoChanges: true }));
  });

  test("a foreign image under its tag, and its own gone: it is built again", async () => {
    const [place, other] = [PLACES[0], PLACES[2]] as [Place, Place];
    const own = runs.get(place)?.outputs;
    await docker("rm", "-f", containerAt(place));
    await docker("tag", String(runs.get(other)?.outputs.imageId), String(own?.imageName));
    await docker("rmi", "-f", String(own?.imageId));
    for (const refresh of [true, true]) {
      const run = succeeded(await (await stackAt(place)).up({ refresh }));
      await expectOwn(place, run);
    }
    succeeded(await (await stackAt(place)).up({ refresh: true, expectNoChanges: true }));
  });

  test.each([
    ["docker rmi of its tag", (tag: string) => docker("rmi", tag)],
    [
      "docker image prune --all",
      async (tag: string) => {
        const content = await docker("image", "inspect", "-f", '{{index .Config.Labels "imagegen.content"}}', tag);
        return docker("image", "prune", "--all", "--force", "--filter", `label=imagegen.content=${content}`);
      },
    ],
  ])("container and image removed (%s): up --refresh makes both again", async (_, remove) => {
    const place = PLACES[1] as Place;
    await docker("rm", "-f", containerAt(place));
    await remove(String(runs.get(place)?.outputs.imageName));
    const run = succeeded(await (await stackAt(place)).up({ refresh: true }));
    expect(run.changes).toEqual(expect.arrayContaining([`create ${IMAGE}`, `create ${CONTAINER}`]));
    await expectOwn(place, run);
  });

  test("a second checkout with the first one's names is refused, names it, and stops nothing", async () => {
    const first = PLACES[0] as Place;
    const before = await idOf(first);
    const rival = await there.stack("rival", {
      modelId: "stub/ready",
      imageName: IMAGES,
      containerName: containerAt(first),
    });
    const run = await rival.up();
    expect(run.ok).toBe(false);
    expect(run.text).toContain(`made by the stack local of ${here.project.directory}`);
    expect(await idOf(first)).toBe(before);
    succeeded(await (await stackAt(first)).up({ refresh: true, expectNoChanges: true }));
  });

  test("a taken port is one line with its fix", async () => {
    const port = ports.get("here local") ?? "";
    const run = await (await there.stack("rival", { modelId: "stub/ready", imageName: IMAGES, port })).up();
    expect(run.ok).toBe(false);
    expect(run.text).toContain(`Port ${port} of 127.0.0.1 is taken. Fix: pulumi config set port ${Number(port) + 1}`);
    await dockerIfPossible("rm", "-f", there.container("rival"));
  });
});
