import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { CliError, EXIT } from "../core/exit.ts";

/** What POST /v1/images/generations takes; what is left out is the service's own default. */
export interface PictureRequest {
  readonly prompt: string;
  readonly negative_prompt?: string;
  readonly size?: string;
  readonly seed?: number;
  readonly steps?: number;
  readonly guidance_scale?: number;
}

export interface Picture {
  readonly path: string;
  readonly bytes: number;
  readonly seed: number | null;
  readonly seconds: number;
  readonly prompt: string;
}

const TIMEOUT_S = 900;

/** Asks the service at `url` for one picture and saves it as `file`, or below `folder` under a name of its own. */
export async function makePicture(
  url: string,
  request: PictureRequest,
  target: { folder: string; file?: string | undefined },
  signal?: AbortSignal,
): Promise<Picture> {
  const started = performance.now();
  const limit = AbortSignal.timeout(TIMEOUT_S * 1000);
  const body = await post(url, request, signal ? AbortSignal.any([limit, signal]) : limit);
  const encoded = body.data?.[0]?.b64_json;
  if (!encoded) throw new CliError(`${url} answered without a picture. See \`imagegen logs\`.`);
  const bytes = Buffer.from(encoded, "base64");
  const seed = body.seed ?? body.data?.[0]?.seed ?? null;
  const path = target.file ?? join(target.folder, pictureName(new Date(), seed));
  if (!target.file) mkdirSync(target.folder, { recursive: true });
  writeFileSync(path, bytes);
  return { path, bytes: bytes.length, seed, seconds: (performance.now() - started) / 1000, prompt: request.prompt };
}

/** A name that sorts by time: 20261122-164501-seed42.png. */
export function pictureName(time: Date, seed: number | null): string {
  const stamp = time.toISOString().replace(/[-:]/g, "").replace("T", "-").slice(0, 15);
  return `${stamp}${seed === null ? "" : `-seed${seed}`}.png`;
}

interface Answer {
  seed?: number;
  data?: { b64_json?: string; seed?: number }[];
  error?: { message?: string } | null;
  detail?: unknown;
}

async function post(url: string, request: PictureRequest, signal: AbortSignal): Promise<Answer> {
  const key = process.env.IMAGE_GEN_API_KEY;
  const headers = { "content-type": "application/json", ...(key ? { authorization: `Bearer ${key}` } : {}) };
  const payload = JSON.stringify({ ...request, n: 1, response_format: "b64_json" });
  let response: Response;
  try {
    response = await fetch(new URL("/v1/images/generations", url), { method: "POST", headers, body: payload, signal });
  } catch (error) {
    if (signal.aborted) throw error;
    throw new CliError(`Nothing answers at ${url}: run \`imagegen up\`.`, EXIT.notRunning);
  }
  const answer = (await response.json().catch(() => ({}))) as Answer;
  if (response.ok) return answer;
  const reason = answer.error?.message ?? (typeof answer.detail === "string" ? answer.detail : response.statusText);
  throw new CliError(`The service refused (${response.status}): ${reason}`);
}
