/** What `imagegen picture` asks of a real service, and what it saves. */
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { pathsOf } from "../../cli/core/paths.ts";
import { makeImages } from "../../cli/service/images.ts";
import { StackFiles } from "../../cli/stack/files.ts";
import { PythonService } from "../support/python-service.ts";

let root = "";
let service: PythonService;
let shown: { text: string; fraction?: number | undefined }[] = [];
const progress = {
  log: () => {},
  stop: () => {},
  busy: <T>(run: () => Promise<T>) => run(),
  update: (text: string, fraction?: number) => void shown.push({ text, fraction }),
};
const contextOf = (signal = new AbortController().signal) => {
  const paths = pathsOf(root);
  return { paths, files: new StackFiles(paths, "local"), progress, signal };
};
const small = { prompt: "a lighthouse", size: "64x64", steps: 3 };

beforeAll(async () => {
  root = mkdtempSync(join(tmpdir(), "imagegen-picture-"));
  service = await PythonService.start("demo", { IMAGE_GEN_MAX_IMAGES: "4", IMAGE_GEN_WARMUP_SIZE: "64" });
});
beforeEach(() => {
  shown = [];
});
afterAll(() => {
  service?.stop();
  rmSync(root, { recursive: true, force: true });
});

describe("imagegen picture", () => {
  test("shows each step, and saves under a name with time and seed", async () => {
    const made = await makeImages(contextOf(), service.url, { ...small, seed: 42 });
    expect(made.path).toMatch(/\.imagegen\/pictures\/\d{8}-\d{6}-seed42\.png$/);
    expect(readFileSync(made.path).subarray(1, 4).toString()).toBe("PNG");
    expect(made.images).toEqual([{ path: made.path, bytes: readFileSync(made.path).length, seed: 42 }]);
    expect(shown.map(({ text }) => text)).toEqual([
      "making a picture of a lighthouse",
      ...[1, 2, 3].map((step) => `making a picture: step ${step} of 3`),
    ]);
    expect(shown.at(-1)?.fraction).toBe(1);
  });

  test.each([
    ["x.jpg", [0xff, 0xd8]],
    ["x.JPEG", [0xff, 0xd8]],
    ["x.webp", [0x52, 0x49]],
    ["x", [0x89, 0x50]],
  ])("%s is what its name says", async (name, magic) => {
    const output = join(root, name);
    const made = await makeImages(contextOf(), service.url, small, { output });
    expect(made.path).toBe(output);
    expect([...readFileSync(output).subarray(0, 2)]).toEqual(magic);
  });

  test("several have numbers, seeds of their own, and each its steps", async () => {
    const made = await makeImages(
      contextOf(),
      service.url,
      { ...small, n: 3, seed: 5 },
      { output: join(root, "n.png") },
    );
    expect(made.images.map(({ path }) => path)).toEqual([1, 2, 3].map((index) => join(root, `n-${index}.png`)));
    expect(new Set(made.images.map(({ seed }) => seed)).size).toBe(3);
    expect(shown.map(({ text }) => text)).toContain("making picture 3 of 3: step 2 of 3");
  });

  test("an edit keeps what its mask covers", async () => {
    const from = await makeImages(contextOf(), service.url, { ...small, seed: 1 }, { output: join(root, "from.png") });
    const edited = { image: from.path };
    const made = await makeImages(contextOf(), service.url, { ...small, strength: 0.9, seed: 2 }, { edited });
    expect(readFileSync(made.path).equals(readFileSync(from.path))).toBe(false);
    expect(shown.at(-1)?.text).toMatch(/^making a picture: step \d of \d$/);
    const wrong = { image: from.path, mask: join(root, "x.jpg") };
    await expect(makeImages(contextOf(), service.url, small, { edited: wrong })).rejects.toThrow(
      /^The service refused the request \(HTTP 400\): mask/,
    );
  });

  test("what can't be read, written or made is refused in one line, and leaves no file", async () => {
    const before = readdirSync(root);
    const wrong = (options: object, request: object = {}) =>
      makeImages(contextOf(), service.url, { ...small, ...request }, options).catch((error: Error) => error.message);
    expect(await wrong({ edited: { image: join(root, "none.png") } })).toMatch(
      /none\.png does not exist\. Fix: name a PNG/,
    );
    expect(await wrong({ edited: { image: root } })).toMatch(/is not a file\. Fix: /);
    expect(await wrong({ output: join(root, "x.gif") })).toMatch(
      /there is no format for \.gif\. Fix: name it .*x\.png/,
    );
    expect(await wrong({ output: join(root, "y.jpg") }, { output_format: "png" })).toMatch(/name two formats\. Fix: /);
    expect(await wrong({ output: join(root, "y.jpg") }, { n: 9 })).toMatch(
      /\(HTTP 400\): n: expected a whole number from 1 to 4/,
    );
    expect(await wrong({}, { scheduler: "none" })).toMatch(/\(HTTP 400\): scheduler: expected/);
    expect(readdirSync(root)).toEqual(before);
  });

  test("Ctrl-C in the middle ends the request, and the service is free for the next one", async () => {
    const controller = new AbortController();
    const long = makeImages(contextOf(controller.signal), service.url, { prompt: "x", size: "512x512", steps: 150 });
    while (!shown.some(({ fraction }) => fraction)) await new Promise((done) => setTimeout(done, 20));
    controller.abort(new Error("interrupted"));
    await expect(long).rejects.toThrow("interrupted");
    expect((await makeImages(contextOf(), service.url, small)).images).toHaveLength(1);
  });
});

test("a service that ends in the middle is one line, and what came before is kept", async () => {
  const other = await PythonService.start("demo", { IMAGE_GEN_WARMUP_SIZE: "64" });
  const output = join(root, "kept.png");
  const made = makeImages(contextOf(), other.url, { prompt: "x", size: "256x256", steps: 60, n: 2 }, { output });
  made.catch(() => {});
  while (!shown.some(({ text }) => text.includes("picture 2 of 2: step")))
    await new Promise((done) => setTimeout(done, 20));
  other.stop();
  await expect(made).rejects.toThrow(
    /ended its answer without all pictures\. 1 of 2 pictures were saved: .*kept-1\.png .* Fix: imagegen logs$/,
  );
});

test("a service that does not know streams answers all the same", async () => {
  const { createServer } = await import("node:http");
  const bodies: string[] = [];
  const server = createServer((request, response) => {
    request.on("data", (data: Buffer) => void bodies.push(data.toString()));
    request.on("end", () => {
      const isNew = bodies.at(-1)?.includes('"stream"');
      const message = '"stream" is not a parameter; these are: prompt.';
      const image = { data: [{ b64_json: Buffer.from("picture").toString("base64") }], seed: 3 };
      response.writeHead(isNew ? 400 : 200, { "content-type": "application/json" });
      response.end(JSON.stringify(isNew ? { error: { message, param: "stream" } } : image));
    });
  });
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  const { port } = server.address() as { port: number };
  const output = join(root, "old.png");
  writeFileSync(output, "earlier");
  const made = await makeImages(contextOf(), `http://127.0.0.1:${port}`, small, { output });
  server.close();
  expect(made).toMatchObject({ path: output, seed: 3 });
  expect(readFileSync(output, "utf8")).toBe("picture");
});
