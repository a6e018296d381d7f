/** Jobs outlast their container: killed while a picture is being made, on the volume of the demo model. */
import { afterAll, beforeAll, expect, test } from "vitest";
import { docker, dockerIfPossible } from "../support/docker.ts";
import { picture, ready } from "../support/service.ts";
import { eventually } from "../support/wait.ts";
import { start } from "./container.ts";

const NAME = "imagegen-e2e-jobs";
const OPTIONS = { volume: NAME, env: { MODEL_ID: "demo", IMAGE_GEN_DEVICE: "cpu" } };
const BODY = { prompt: "a lighthouse at dawn", steps: 100, size: "256x256" };

interface Job {
  readonly id: string;
  readonly status: string;
  readonly progress: { readonly step: number } | null;
  readonly result: { readonly data: readonly { readonly b64_json: string }[] } | null;
}

let url = "";
const up = async () => {
  ({ url } = await start(NAME, OPTIONS));
  await ready(url);
};
const ask = async (path: string, body?: object, headers: Readonly<Record<string, string>> = {}): Promise<Job> => {
  const request = body
    ? { method: "POST", headers: { "content-type": "application/json", ...headers }, body: JSON.stringify(body) }
    : {};
  const answer = await fetch(`${url}${path}`, request);
  if (!answer.ok) throw new Error(`${answer.status} ${await answer.text()}`);
  return (await answer.json()) as Job;
};
const isAmid = async (id: string) => {
  const { status, progress } = await ask(`/v1/jobs/${id}`);
  return status === "running" && (progress?.step ?? 0) > 3;
};

beforeAll(async () => {
  await dockerIfPossible("rm", "-f", NAME);
  await dockerIfPossible("volume", "rm", NAME);
});

afterAll(async () => {
  await dockerIfPossible("rm", "-f", NAME);
  await dockerIfPossible("volume", "rm", NAME);
});

test("docker kill amid a job loses none, and each has the bytes of its seed", async () => {
  await up();
  const jobs = [];
  for (const seed of [1, 2, 3])
    jobs.push(await ask("/v1/jobs", { ...BODY, seed }, { "idempotency-key": `order-${seed}` }));
  // The first and the second are each killed once, while they are being made.
  for (const { id } of jobs.slice(0, 2)) {
    await eventually(`${id} to be made`, () => isAmid(id), 400);
    await docker("kill", NAME);
    await up();
  }
  for (const [index, { id }] of jobs.entries()) {
    await eventually(`${id} to succeed`, async () => (await ask(`/v1/jobs/${id}`)).status === "succeeded", 400);
    const made = Buffer.from((await ask(`/v1/jobs/${id}`)).result?.data[0]?.b64_json ?? "", "base64");
    expect(made.equals(await picture(url, { ...BODY, seed: index + 1 }))).toBe(true);
  }
  const again = await ask("/v1/jobs", { ...BODY, seed: 1 }, { "idempotency-key": "order-1" });
  expect(again.id).toBe(jobs[0]?.id);
});
