import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { API_KEY_VARIABLE } from "../../infra/contract.ts";
import { httpExchange } from "../../infra/io/http-request.ts";
import { formatSeconds } from "../../infra/units.ts";
import { commandFor } from "../core/command-line.ts";
import type { Context } from "../core/context.ts";
import { CliError, EXIT } from "../core/exit.ts";
import { firstKey } from "./api-key.ts";
import { type ReadAnswer, type Receiver, readAnswer } from "./image-events.ts";
import { formatOf, imageName, outputFiles } from "./image-files.ts";
import { type EditedImage, type HttpBody, httpBodyOf, type ImageFormat, type ImageRequest } from "./image-request.ts";

/** One image that was made and saved. */
interface SavedImage {
  readonly path: string;
  readonly bytes: number;
  readonly seed: number | null;
}

/** Images that were made and saved; path, size and seed of the first one stand beside `images`, too. */
export interface SavedImages extends SavedImage {
  readonly seconds: number;
  readonly prompt: string;
  readonly images: readonly SavedImage[];
}

export interface ImageOptions {
  /** What an edit starts from. */
  readonly edited?: EditedImage | undefined;
  /** Where to save it; several images have numbers. Default: names of their own in .imagegen/pictures. */
  readonly output?: string | undefined;
  readonly key?: string | undefined;
  /** Seconds after which it is given up. */
  readonly timeout?: number | undefined;
}

type ImageContext = Pick<Context, "paths" | "files" | "progress" | "signal">;

/** Of each image. */
const TIMEOUT_S = 900;
/** Fields that a service of an earlier version does not know. */
const STREAM_FIELDS: readonly string[] = ["stream", "progress"];

/** Asks the service at `url` for images, shows each step, and saves each image when it comes. */
export async function makeImages(
  context: ImageContext,
  url: string,
  asked: ImageRequest,
  { edited, output, key, timeout }: ImageOptions = {},
): Promise<SavedImages> {
  const { files, progress, signal } = context;
  const format = formatOf(output, asked.output_format);
  const request = { ...asked, output_format: format };
  const count = asked.n ?? 1;
  const saver = imageSaver(context, { output, format, count });
  const { saved } = saver;
  const started = performance.now();
  const place = () => (count > 1 ? `picture ${Math.min(saved.length + 1, count)} of ${count}` : "a picture");
  const receiver: Receiver = {
    step: ({ step, steps }) => {
      const fraction = (saved.length + step / steps) / count;
      progress.update(`making ${place()}: step ${step} of ${steps}`, fraction);
    },
    image: saver.save,
  };
  const mostSeconds = timeout ?? count * TIMEOUT_S;
  const limit = AbortSignal.any([AbortSignal.timeout(mostSeconds * 1000), signal]);
  const ownKey = firstKey(key ?? process.env[API_KEY_VARIABLE]);
  const ask = async (streamed: boolean) =>
    send(url, await httpBodyOf(request, edited, streamed), { stack: files.name, key: ownKey, receiver, signal: limit });
  try {
    progress.update(`making ${place()} of ${request.prompt}`);
    let answer = await ask(true);
    if (answer.status === 400 && STREAM_FIELDS.includes(answer.error?.param ?? "")) answer = await ask(false);
    progress.stop();
    requireImages(answer, { url, count, saved, stack: files.name, withKey: ownKey !== undefined });
  } catch (error) {
    if (!limit.aborted || signal.aborted) throw error;
    const message = `${url} made ${saved.length} of ${count} pictures within ${formatSeconds(mostSeconds)}.`;
    throw new CliError({ message, fix: commandFor(files.name, "status") });
  } finally {
    progress.stop();
  }
  return saver.result(request.prompt, (performance.now() - started) / 1000);
}

/** Saves images as they come, each under its own name. Throws a CliError at once where `output` can't be written. */
export function imageSaver(
  { paths }: Pick<Context, "paths">,
  {
    output,
    format,
    count,
  }: { readonly output: string | undefined; readonly format: ImageFormat; readonly count: number },
) {
  const wanted = output === undefined ? undefined : outputFiles(output, count);
  const saved: SavedImage[] = [];
  return {
    saved,
    save({ data, seed }: { readonly data: Buffer; readonly seed: number | null }): void {
      const path = wanted?.[saved.length] ?? join(paths.pictures, imageName(new Date(), seed, format));
      if (!wanted) mkdirSync(paths.pictures, { recursive: true });
      writeFileSync(path, data);
      saved.push({ path, bytes: data.length, seed });
    },
    /** Once there is one. */
    result(prompt: string, seconds: number): SavedImages {
      const [first] = saved as [SavedImage, ...SavedImage[]];
      return { ...first, seconds, prompt, images: saved };
    },
  };
}

interface Exchange {
  readonly stack: string;
  readonly key: string | undefined;
  readonly receiver: Receiver;
  readonly signal: AbortSignal;
}

async function send(
  url: string,
  { path, contentType, body }: HttpBody,
  { stack, key, receiver, signal }: Exchange,
): Promise<ReadAnswer> {
  const headers = { "content-type": contentType, ...(key ? { authorization: `Bearer ${key}` } : {}) };
  let begun = false;
  try {
    return await httpExchange(new URL(path, url).href, { method: "POST", headers, body, signal }, (response) => {
      begun = true;
      return readAnswer(response, receiver);
    });
  } catch (error) {
    signal.throwIfAborted();
    if (begun && isFileError(error)) throw error;
    if (!begun)
      throw new CliError({ message: `Nothing answers at ${url}.`, fix: commandFor(stack, "up") }, EXIT.notRunning);
    return { status: 200 };
  }
}

/** Of a disk, and not of a connection. */
function isFileError(error: unknown): boolean {
  return error instanceof Error && "path" in error;
}

interface Made {
  readonly url: string;
  readonly count: number;
  readonly saved: readonly SavedImage[];
  readonly stack: string;
  readonly withKey: boolean;
}

function requireImages({ status, error }: ReadAnswer, { url, count, saved, stack, withKey }: Made): void {
  if (status === 401) {
    const message = `The service at ${url} asks for its API key${withKey ? ", and this is another" : ""}.`;
    throw new CliError({ message, fix: `export ${API_KEY_VARIABLE}=…` });
  }
  const kept = saved.length > 0 ? ` ${saved.length} of ${count} pictures were saved: ${saved[0]?.path} …` : "";
  if (status !== 200) throw new CliError(`The service refused the request (HTTP ${status}): ${error?.message}`);
  if (error) throw new CliError(`The service ended the request: ${error.message ?? "it gave no reason"}${kept}`);
  if (saved.length < count) {
    const message = `${url} ended its answer without ${count === 1 ? "a picture" : "all pictures"}.${kept}`;
    throw new CliError({ message, fix: commandFor(stack, "logs") });
  }
}
