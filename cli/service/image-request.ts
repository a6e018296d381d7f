import { readFileSync } from "node:fs";
import { basename } from "node:path";
import { CliError, EXIT } from "../core/exit.ts";
import { statOf } from "../core/output-file.ts";

export const IMAGE_FORMATS = ["png", "jpeg", "webp"] as const;
export type ImageFormat = (typeof IMAGE_FORMATS)[number];

/** The fields of the service's images API that the command has options for; the service has a default for what is left out. */
export interface ImageRequest {
  readonly prompt: string;
  readonly n?: number | undefined;
  readonly size?: string | undefined;
  readonly quality?: string | undefined;
  readonly negative_prompt?: string | undefined;
  readonly seed?: number | undefined;
  readonly steps?: number | undefined;
  readonly guidance_scale?: number | undefined;
  readonly scheduler?: string | undefined;
  readonly loras?: readonly Lora[] | undefined;
  readonly strength?: number | undefined;
  readonly output_format?: ImageFormat | undefined;
  readonly output_compression?: number | undefined;
  readonly metadata?: boolean | undefined;
}

export interface Lora {
  readonly name: string;
  readonly weight?: number;
}

/** `name` or `name=weight`. Throws a CliError. */
export function parseLora(text: string, earlier: readonly Lora[] = []): readonly Lora[] {
  const [name = "", weight, ...more] = text.split("=");
  const isNumber = weight === undefined || (weight.trim() !== "" && Number.isFinite(Number(weight)));
  if (name === "" || !isNumber || more.length > 0)
    throw new CliError(
      { message: `--lora: expected a name, or a name and its weight, got "${text}".`, fix: "--lora sketch=0.8" },
      EXIT.usage,
    );
  return [...earlier, weight === undefined ? { name } : { name, weight: Number(weight) }];
}

/** Paths of the image that an edit starts from, and of its mask. */
export interface EditedImage {
  readonly image: string;
  readonly mask?: string | undefined;
}

export interface HttpBody {
  readonly path: string;
  readonly contentType: string;
  readonly body: string | Uint8Array;
}

/** The request as it is sent: JSON, or a form with files. `streamed`: the answer is to come as events, one for each step. */
export async function httpBodyOf(
  request: ImageRequest,
  edited: EditedImage | undefined,
  streamed: boolean,
): Promise<HttpBody> {
  const fields = { ...request, ...(streamed ? { stream: true, progress: true } : {}) };
  if (!edited) {
    const body = JSON.stringify({ ...fields, response_format: "b64_json" });
    return { path: "/v1/images/generations", contentType: "application/json", body };
  }
  const form = new FormData();
  for (const [name, value] of Object.entries(fields)) {
    if (value !== undefined) form.append(name, typeof value === "object" ? JSON.stringify(value) : String(value));
  }
  form.append("image", new Blob([readImage(edited.image)]), basename(edited.image));
  if (edited.mask !== undefined) form.append("mask", new Blob([readImage(edited.mask)]), basename(edited.mask));
  const encoded = new Response(form);
  return {
    path: "/v1/images/edits",
    contentType: encoded.headers.get("content-type") ?? "",
    body: new Uint8Array(await encoded.arrayBuffer()),
  };
}

/** Throws a CliError for what is no file. */
export function readImage(path: string): Uint8Array<ArrayBuffer> {
  const found = statOf(path);
  const fix = "name a PNG, JPEG or WebP file";
  if (!found) throw new CliError({ message: `${path} does not exist.`, fix }, EXIT.usage);
  if (!found.isFile()) throw new CliError({ message: `${path} is not a file.`, fix }, EXIT.usage);
  return new Uint8Array(readFileSync(path));
}
