/** OpenAI's client for Node, unmodified, against the service with a real pipeline: the demo model on the CPU. */
import { crc32, deflateSync } from "node:zlib";
import { toFile } from "openai";
import type {
  Image,
  ImageCreateVariationParams,
  ImageEditParamsNonStreaming,
  ImageGenerateParamsNonStreaming,
  ImagesResponse,
} from "openai/resources/images";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { PythonService } from "../support/python-service.ts";

let service: PythonService;
let images: ReturnType<PythonService["client"]>["images"];
let photo: Buffer;

/** Fields of this service, which the client's types do not have and the client sends on. */
const own = (fields: Readonly<Record<string, unknown>>): object => fields;
const QUICK = own({ steps: 2, seed: 7 });

/** What no model here can do: refused (errors.test.ts). */
type Unserved = "frame_count" | "frame_duration_ms" | "markup" | "svg";

/** What the service says beside OpenAI's answer. */
interface Facts extends ImagesResponse {
  readonly data: (Image & { readonly seed: number })[];
  readonly steps: number;
  readonly notes?: Readonly<Record<string, string>>;
}
const facts = (answer: ImagesResponse) => answer as Facts;
const bytesOf = (image: { b64_json?: string } | undefined) => Buffer.from(image?.b64_json ?? "", "base64");
const first = (answer: ImagesResponse) => bytesOf(answer.data?.[0]);
/** Width and height, as a PNG's header says. */
const sizeOf = (png: Buffer) => [png.readUInt32BE(16), png.readUInt32BE(20)];
const upload = (data: Buffer, name = "image.png") => toFile(data, name, { type: "image/png" });

/** A square that is transparent everywhere: a mask by which all is generated. */
function transparentPng(side: number): Buffer {
  const chunk = (kind: string, data: Buffer) => {
    const body = Buffer.concat([Buffer.from(kind), data]);
    const ends = [Buffer.alloc(4), Buffer.alloc(4)] as const;
    ends[0].writeUInt32BE(data.length);
    ends[1].writeUInt32BE(crc32(body));
    return Buffer.concat([ends[0], body, ends[1]]);
  };
  const head = Buffer.from([0, 0, 0, side, 0, 0, 0, side, 8, 6, 0, 0, 0]);
  const pixels = deflateSync(Buffer.alloc(side * (1 + 4 * side)));
  const signature = Buffer.from("89504e470d0a1a0a", "hex");
  return Buffer.concat([signature, chunk("IHDR", head), chunk("IDAT", pixels), chunk("IEND", Buffer.alloc(0))]);
}

beforeAll(async () => {
  service = await PythonService.start("demo");
  ({ images } = service.client());
  photo = first(await images.generate({ prompt: "a photo", ...QUICK }));
});

afterAll(() => service?.stop());

describe("generate", () => {
  test("gives the model's own size, and the same bytes for the same seed", async () => {
    const again = await images.generate({ prompt: "a photo", ...QUICK });
    expect(sizeOf(first(again))).toEqual([128, 128]);
    expect(first(again).equals(photo)).toBe(true);
    // Made in one call, they may differ from pictures alone by rounding; image-gen/tests/worker/test_speed.py compares.
    const answer = await images.generate({ prompt: "a photo", n: 2, ...QUICK });
    expect(facts(answer).data.map(({ seed }) => seed)).toEqual([7, 8]);
    expect(first(answer).equals(bytesOf(answer.data?.[1]))).toBe(false);
    expect(answer).toMatchObject({ background: "opaque", output_format: "png", size: "128x128" });
  });

  // `Required`: a field that a newer client adds ends the type check.
  const every: Required<ImageGenerateParamsNonStreaming> = {
    prompt: "a lighthouse",
    background: "opaque",
    complexity: "low",
    frame_count: null,
    frame_duration_ms: null,
    model: "demo",
    moderation: "low",
    n: 1,
    output_compression: 40,
    output_format: "jpeg",
    partial_images: 0,
    quality: "low",
    response_format: "b64_json",
    safety_identifier: "someone",
    size: "256x256",
    stream: false,
    style: "natural",
    svg: null,
    user: "someone",
  };

  test("takes every field of the client's types", async () => {
    const answer = facts(await images.generate(every));
    expect(answer).toMatchObject({ quality: "low", steps: 15, output_format: "jpeg", size: "256x256" });
    expect(first(answer).subarray(0, 3).toString("hex")).toBe("ffd8ff");
    expect(Object.keys(answer.notes ?? {}).sort()).toEqual(
      ["complexity", "moderation", "quality", "safety_identifier", "style", "user"].sort(),
    );
  });

  test("takes null for every field that may be null", async () => {
    type Nullable<T> = { [K in keyof T as null extends T[K] ? K : never]-?: null };
    const nulls: Nullable<ImageGenerateParamsNonStreaming> = {
      background: null,
      complexity: null,
      frame_count: null,
      frame_duration_ms: null,
      model: null,
      moderation: null,
      n: null,
      output_compression: null,
      output_format: null,
      partial_images: null,
      quality: null,
      response_format: null,
      safety_identifier: null,
      size: null,
      stream: null,
      style: null,
      svg: null,
    };
    const answer = await images.generate({ prompt: "a photo", ...nulls, ...QUICK });
    expect(first(answer).equals(photo)).toBe(true);
  });

  test("streams previews and the picture", async () => {
    const stream = await images.generate({ prompt: "a photo", stream: true, partial_images: 1, ...QUICK });
    const events = [];
    for await (const event of stream) events.push(event);
    expect(events.map(({ type }) => type)).toEqual(["image_generation.partial_image", "image_generation.completed"]);
    const [preview, done] = events;
    expect(sizeOf(bytesOf(preview))).toEqual([16, 16]);
    expect(bytesOf(done).equals(photo)).toBe(true);
    expect(done).toMatchObject({ usage: { total_tokens: 0 }, background: "opaque", size: "128x128" });
  });
});

describe("edit", () => {
  test("repaints an image, the same for the same seed", async () => {
    const edit = async () => first(await images.edit({ image: await upload(photo), prompt: "in winter", ...QUICK }));
    const edited = await edit();
    expect(sizeOf(edited)).toEqual([128, 128]);
    expect(edited.equals(photo)).toBe(false);
    expect((await edit()).equals(edited)).toBe(true);
  });

  test("takes a mask, and streams", async () => {
    const mask = await upload(transparentPng(128), "mask.png");
    const body = { image: await upload(photo), mask, prompt: "a door" };
    expect(sizeOf(first(await images.edit({ ...body, ...QUICK })))).toEqual([128, 128]);
    const types = [];
    const stream = await images.edit({ ...body, stream: true, partial_images: 1, ...own({ steps: 4 }) });
    for await (const { type } of stream) types.push(type);
    expect(types).toEqual(["image_edit.partial_image", "image_edit.completed"]);
  });

  test("takes every field of the client's types but `markup`", async () => {
    const image = await upload(photo);
    const every: Required<Omit<ImageEditParamsNonStreaming, Unserved | "mask">> = {
      image: [image],
      prompt: "in winter",
      background: "auto",
      complexity: "high",
      input_fidelity: "high",
      model: "demo",
      n: 1,
      output_compression: 50,
      output_format: "webp",
      partial_images: 0,
      quality: "low",
      response_format: "b64_json",
      safety_identifier: "someone",
      size: "auto",
      stream: false,
      user: "someone",
    };
    const answer = facts(await images.edit({ ...every, ...QUICK }));
    expect(first(answer).subarray(8, 12).toString()).toBe("WEBP");
    expect(answer.notes?.input_fidelity).toMatch(/^not used/);
  });
});

describe("createVariation", () => {
  test("takes every field of the client's types", async () => {
    const every: Required<ImageCreateVariationParams> = {
      image: await upload(photo),
      model: "demo",
      n: 2,
      response_format: "b64_json",
      size: "256x256",
      user: "someone",
    };
    const answer = await images.createVariation({ ...every, ...QUICK });
    expect(answer.data?.map((each) => sizeOf(bytesOf(each)))).toEqual([
      [256, 256],
      [256, 256],
    ]);
  });

  test("takes null as the client sends it in a form", async () => {
    const image = await upload(photo);
    // The client itself refuses null here, and says: "to pass null in FormData, you must use the string 'null'".
    const nulls = own({ model: "null", n: "null", response_format: "null", size: "null" });
    const plain = first(await images.createVariation({ image, ...QUICK }));
    expect(first(await images.createVariation({ image, ...nulls, ...QUICK })).equals(plain)).toBe(true);
  });
});
