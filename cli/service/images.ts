import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { API_KEY_VARIABLE } from "../../infra/contract.ts";
import { type HttpAnswer, httpRequest } from "../../infra/io/http-request.ts";
import { commandFor } from "../core/command-line.ts";
import type { Context } from "../core/context.ts";
import { CliError, EXIT } from "../core/exit.ts";
import { requireOutput } from "../core/output-file.ts";
import { firstKey } from "./api-key.ts";

/** What POST /v1/images/generations takes; the service has a default for what is left out. */
export interface ImageRequest {
  readonly prompt: string;
  readonly negative_prompt?: string | undefined;
  readonly size?: string | undefined;
  readonly seed?: number | undefined;
  readonly steps?: number | undefined;
  readonly guidance_scale?: number | undefined;
}

/** An image that was made and saved. */
export interface SavedImage {
  readonly path: string;
  readonly bytes: number;
  readonly seed: number | null;
  readonly seconds: number;
  readonly prompt: string;
}

const TIMEOUT_S = 900;

/** Asks the service at `url` for one image and saves it as `file`, else under a name of its own in .imagegen/pictures. */
export async function makeImage(
  { paths, files, progress, signal }: Pick<Context, "paths" | "files" | "progress" | "signal">,
  url: string,
  request: ImageRequest,
  { file, key }: { readonly file?: string | undefined; readonly key?: string | undefined } = {},
): Promise<SavedImage> {
  if (file) requireOutput(file);
  progress.update(`making a picture of ${request.prompt}`);
  const started = performance.now();
  const limit = AbortSignal.any([AbortSignal.timeout(TIMEOUT_S * 1000), signal]);
  const body = await post(url, request, { stack: files.name, ownKey: key }, limit);
  progress.stop();
  const encoded = body.data?.[0]?.b64_json;
  if (!encoded)
    throw new CliError({ message: `${url} answered without a picture.`, fix: commandFor(files.name, "logs") });
  const bytes = Buffer.from(encoded, "base64");
  const seed = body.seed ?? body.data?.[0]?.seed ?? null;
  const path = file ?? join(paths.pictures, imageName(new Date(), seed));
  if (!file) mkdirSync(paths.pictures, { recursive: true });
  writeFileSync(path, bytes);
  return { path, bytes: bytes.length, seed, seconds: (performance.now() - started) / 1000, prompt: request.prompt };
}

/** A name that sorts by time: 20261122-164501-seed42.png. */
export function imageName(time: Date, seed: number | null): string {
  const stamp = time.toISOString().replace(/[-:]/g, "").replace("T", "-").slice(0, 15);
  return `${stamp}${seed === null ? "" : `-seed${seed}`}.png`;
}

type ImagesResponse = { seed?: number; data?: { b64_json?: string; seed?: number }[] };
type ErrorResponse = { error?: { message?: string } | null; detail?: unknown };

async function post(
  url: string,
  request: ImageRequest,
  { stack, ownKey }: { readonly stack: string; readonly ownKey: string | undefined },
  signal: AbortSignal,
): Promise<ImagesResponse> {
  const key = firstKey(ownKey ?? process.env[API_KEY_VARIABLE]);
  const headers = { "content-type": "application/json", ...(key ? { authorization: `Bearer ${key}` } : {}) };
  const body = JSON.stringify({ ...request, n: 1, response_format: "b64_json" });
  let response: HttpAnswer;
  try {
    response = await httpRequest(new URL("/v1/images/generations", url).href, {
      method: "POST",
      headers,
      body,
      signal,
    });
  } catch (error) {
    if (signal.aborted) throw error;
    throw new CliError({ message: `Nothing answers at ${url}.`, fix: commandFor(stack, "up") }, EXIT.notRunning);
  }
  const answer = parseJson(response.body);
  if (response.status === 200) return answer;
  if (response.status === 401) {
    const message = `The service at ${url} asks for its API key${key ? ", and this is another" : ""}.`;
    throw new CliError({ message, fix: `export ${API_KEY_VARIABLE}=…` });
  }
  const reason = answer.error?.message ?? (typeof answer.detail === "string" ? answer.detail : "it gave no reason");
  throw new CliError(`The service refused the request (HTTP ${response.status}): ${reason}`);
}

function parseJson(text: string): ImagesResponse & ErrorResponse {
  try {
    return JSON.parse(text) as ImagesResponse & ErrorResponse;
  } catch {
    return {};
  }
}
