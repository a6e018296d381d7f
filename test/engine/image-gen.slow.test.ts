/** The real service on the real engine: its demo model is fetched once, and every later start finds it. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { docker } from "../support/docker.ts";
import { emulatorImage } from "../support/emulator-image.ts";
import { succeeded } from "../support/engine-stack.ts";
import { picture, readyz } from "../support/service.ts";
import { CONTAINER_REPLACED, engineTests, IMAGE_REPLACED, Setting } from "./setting.ts";

const setting = new Setting("image-gen", "image-gen");
const urlOf = (outputs: Readonly<Record<string, unknown>>) => String(outputs.url);
const WAIT = { timeout: 300_000, interval: 500 };

async function newJob(url: string, body: Record<string, unknown>): Promise<string> {
  const answer = await fetch(`${url}/v1/jobs`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ prompt: "a lighthouse at dawn", ...body }),
  });
  expect(answer.status).toBe(202);
  return ((await answer.json()) as { id: string }).id;
}

async function jobStatus(url: string, id: string): Promise<string> {
  return ((await (await fetch(`${url}/v1/jobs/${id}`)).json()) as { status: string }).status;
}

/** The worker that makes the job, by its log. */
async function running(url: string, id: string): Promise<string> {
  const workers = [1, 2].map((number) => `${setting.container("fleet")}-worker-${number}`);
  let found = "";
  const look = async () => {
    for (const worker of workers) if ((await docker("logs", worker)).includes(id)) found = worker;
    return found;
  };
  await expect.poll(look, WAIT).not.toBe("");
  expect(await jobStatus(url, id)).toBe("running");
  return found;
}

const report = (what: string, seconds: number) => console.log(`image-gen, ${what}: ${seconds.toFixed(0)} s`);

await engineTests("image-gen", setting, () => {
  test("the first up fetches the model, and ends when a picture can be made", async () => {
    const stack = await setting.stack("demo", { modelId: "demo" });
    const first = succeeded(await stack.up());
    report("first up", first.seconds);
    const state = await readyz(urlOf(first.outputs));
    expect(state).toMatchObject({ phase: "ready", source: "download", device: "cpu", error: null });
    expect(state.bytes_done).toBeGreaterThan(0);
    await picture(urlOf(first.outputs), { size: "64x64" });
    report("second up", succeeded(await stack.up({ expectNoChanges: true })).seconds);
  });

  test("Docker's own health check agrees", async () => {
    await expect
      .poll(async () => docker("inspect", "-f", "{{.State.Health.Status}}", setting.container("demo")), {
        timeout: 300_000,
        interval: 1_000,
      })
      .toBe("healthy");
  });

  test("a change of the code replaces the image and the container, and the model comes from the volume", async () => {
    const stack = await setting.stack("demo");
    const file = "image-gen/src/image_gen/__init__.py";
    const code = readFileSync(join(setting.project.directory, file), "utf8");
    setting.project.write(file, `${code}\nCHANGED = True\n`);
    const changed = succeeded(await stack.up());
    report("code change to ready", changed.seconds);
    expect([...changed.changes].sort()).toEqual([...CONTAINER_REPLACED, ...IMAGE_REPLACED].sort());
    expect(await readyz(urlOf(changed.outputs))).toMatchObject({ phase: "ready", source: "volume" });
  });

  test("after destroy, a new stack starts from the volume that was left", async () => {
    succeeded(await (await setting.stack("demo")).destroy());
    const heir = await setting.stack("heir", { modelId: "demo", volumeName: setting.volume("demo") });
    const run = succeeded(await heir.up());
    report("new stack, old volume", run.seconds);
    expect(await readyz(urlOf(run.outputs))).toMatchObject({ phase: "ready", source: "volume" });
    await docker("rm", "-f", setting.container("heir"));
  });

  test("workers behind a queue and a gateway make pictures and jobs, and a stopped one's job is made by the other", async () => {
    const stack = await setting.stack("fleet", {
      modelId: "demo",
      volumeName: setting.volume("demo"),
      workers: "2",
      emulatorImage: await emulatorImage(),
    });
    try {
      const run = succeeded(await stack.up());
      report("a fleet on this machine", run.seconds);
      const url = urlOf(run.outputs);
      expect(await readyz(url)).toMatchObject({ phase: "ready", workers: 2 });
      await picture(url, { size: "64x64" });
      succeeded(await stack.up({ expectNoChanges: true }));

      const [slow, ...quick] = await Promise.all(
        [100, 2, 2, 2].map((steps) => newJob(url, { steps, size: "512x512" })),
      );
      const at = await running(url, String(slow));
      await docker("stop", at);
      for (const id of [slow, ...quick]) await expect.poll(() => jobStatus(url, String(id)), WAIT).toBe("succeeded");
    } finally {
      await stack.destroy();
    }
    expect(await docker("ps", "-aq", "--filter", `name=${setting.container("fleet")}`)).toBe("");
  });

  test("a hub that is down fails the update in the service's words", async () => {
    const stack = await setting.stack("offline", { modelId: "org/model", hubEndpoint: "http://127.0.0.1:9" });
    const run = await stack.up();
    expect(run.ok).toBe(false);
    expect(run.text).toContain("is not ready at");
    expect(run.text).toContain("HUB_UNREACHABLE");
    expect(run.text).not.toContain("Traceback");
  });
});
