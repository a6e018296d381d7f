/** OpenAI's client for Node against the service, with a worker that fails as a prompt says: errors and retries. */
import OpenAI, { toFile } from "openai";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { PythonService } from "../support/python-service.ts";

const started: PythonService[] = [];
async function start(variables: Readonly<Record<string, string>> = {}): Promise<PythonService> {
  const service = await PythonService.start("fake", variables);
  started.push(service);
  return service;
}
/** What the promise is rejected with. */
const errorOf = async (work: Promise<unknown>) => {
  const error = await work.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (!(error instanceof OpenAI.OpenAIError)) throw new Error(`no error of the client: ${String(error)}`);
  return error;
};

let service: PythonService;
beforeAll(async () => {
  service = await start();
});
afterAll(() => {
  for (const each of started) each.stop();
});

describe("errors", () => {
  test.each([
    ["a size", { size: "63x64" }, OpenAI.BadRequestError, "size"],
    ["n", { n: 0 }, OpenAI.BadRequestError, "n"],
    ["a transparent background", { background: "transparent" }, OpenAI.BadRequestError, "background"],
    ["an animation", { output_format: "gif", frame_count: 4 }, OpenAI.BadRequestError, "output_format"],
    ["a drawing", { output_format: "svg", svg: { model: "x" } }, OpenAI.BadRequestError, "output_format"],
    ["another model", { model: "gpt-image-2.6-flare" }, OpenAI.NotFoundError, "model"],
  ] as const)("%s that can't be served has the client's class, and names its field", async (_, fields, kind, param) => {
    const error = await errorOf(service.client().images.generate({ prompt: "x", ...fields }));
    expect(error).toBeInstanceOf(kind);
    expect(error).toMatchObject({ param, code: kind === OpenAI.NotFoundError ? "model_not_found" : "invalid_value" });
    expect((error as InstanceType<typeof OpenAI.APIError>).requestID).toMatch(/^\S+$/);
  });

  test("of an edit: a file that is no image, no file, and drawings", async () => {
    const { images } = service.client();
    const text = await toFile(Buffer.from("not an image"), "image.png");
    expect(await errorOf(images.edit({ image: text, prompt: "x" }))).toMatchObject({ status: 400, param: "image" });
    expect(await errorOf(images.createVariation({ image: text }))).toMatchObject({ status: 400, param: "image" });
    const drawn = images.edit({ image: text, markup: text, prompt: "x" });
    expect(await errorOf(drawn)).toMatchObject({ status: 400, param: "markup" });
  });

  test("of a stream is raised while it is read", async () => {
    const stream = await service.client().images.generate({ prompt: "out of memory", stream: true });
    const read = async () => {
      for await (const _ of stream);
    };
    expect(await errorOf(read())).toMatchObject({ code: "out_of_memory" });
  });

  test("a key that is missing or wrong is an AuthenticationError", async () => {
    const locked = await start({ IMAGE_GEN_API_KEY: "the-key" });
    const make = (apiKey: string) => locked.client({ apiKey }).images.generate({ prompt: "x" });
    expect(await errorOf(make("another"))).toBeInstanceOf(OpenAI.AuthenticationError);
    expect((await make("the-key")).data).toHaveLength(1);
    expect((await locked.client({ apiKey: "the-key" }).models.list()).data).toHaveLength(1);
  });

  test("a client that gives up cancels its picture", async () => {
    const slow = await start({ FAKE_WORKER: '{"step_seconds": 0.5}' });
    const count = (lines: RegExp) => slow.log.match(lines)?.length;
    const waiting = slow.client({ timeout: 3000, maxRetries: 0 }).images.generate({ prompt: "x" });
    expect(await errorOf(waiting)).toBeInstanceOf(OpenAI.APIConnectionTimeoutError);
    await expect.poll(() => count(/cancelled \S+ at step/g)).toBe(1);
    const stop = new AbortController();
    const aborted = errorOf(slow.client().images.generate({ prompt: "x" }, { signal: stop.signal }));
    await expect.poll(() => count(/painting/g)).toBe(2);
    stop.abort();
    expect(await aborted).toBeInstanceOf(OpenAI.APIUserAbortError);
    await expect.poll(() => count(/cancelled \S+ at step/g)).toBe(2);
  });
});

describe("retries", () => {
  test("a full queue is a RateLimitError with its seconds, and the default retries get their picture", async () => {
    const busy = await start({ IMAGE_GEN_QUEUE_LIMIT: "1", FAKE_WORKER: '{"step_seconds": 0.05}' });
    const make = (maxRetries?: number) =>
      busy.client(maxRetries === undefined ? {} : { maxRetries }).images.generate({ prompt: "x", quality: "low" });
    const two = [make(), make()];
    await expect
      .poll(async () => (await fetch(`${busy.url}/v1/queue`)).text(), { timeout: 10_000 })
      .toContain('"waiting_requests":1');
    const refused = await errorOf(make(0));
    expect(refused).toBeInstanceOf(OpenAI.RateLimitError);
    const { headers, code } = refused as InstanceType<typeof OpenAI.RateLimitError>;
    expect(code).toBe("queue_full");
    expect(Number(headers?.get("retry-after"))).toBeGreaterThanOrEqual(1);
    const answers = await Promise.all([...two, make(), make(), make()]);
    expect(answers.map(({ data }) => data?.length)).toEqual([1, 1, 1, 1, 1]);
  });

  test("a worker that dies is an InternalServerError, and the next request gets its picture", async () => {
    const died = await errorOf(service.client({ maxRetries: 0 }).images.generate({ prompt: "die" }));
    expect(died).toBeInstanceOf(OpenAI.InternalServerError);
    expect(died).toMatchObject({ status: 503, code: "engine_died" });
    expect((await service.client().images.generate({ prompt: "x" })).data).toHaveLength(1);
  });

  test("an error that a repetition can't fix is final", async () => {
    const before = service.log.match(/painting/g)?.length ?? 0;
    const error = await errorOf(service.client({ maxRetries: 0 }).images.generate({ prompt: "out of memory" }));
    expect(error).toMatchObject({ status: 500, code: "out_of_memory" });
    expect(service.log.match(/painting/g)).toHaveLength(before + 1);
  });
});
