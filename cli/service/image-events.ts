/** What the images API answers: events of a stream, one JSON document, or an error. */
import type { IncomingMessage } from "node:http";
import { Readable } from "node:stream";
import { text } from "node:stream/consumers";
import { EventSourceParserStream } from "eventsource-parser/stream";

/** One step of the image that is being made. */
interface Step {
  readonly step: number;
  readonly steps: number;
}

interface ReceivedImage {
  readonly data: Buffer;
  readonly seed: number | null;
}

interface ApiError {
  readonly message?: string;
  readonly code?: string | null;
  readonly param?: string | null;
}

export interface Receiver {
  step(step: Step): void;
  image(image: ReceivedImage): void;
}

/** Status and error of an answer whose images went to `receiver` as they came. */
export interface ReadAnswer {
  readonly status: number;
  readonly error?: ApiError;
}

interface ImageJson {
  readonly b64_json?: string;
  readonly seed?: number;
}
interface AnswerJson {
  readonly data?: readonly ImageJson[];
  readonly seed?: number;
  readonly error?: ApiError | null;
  readonly detail?: unknown;
}
type EventJson = ImageJson & Partial<Step> & { readonly type?: string; readonly error?: ApiError };

export async function readAnswer(response: IncomingMessage, receiver: Receiver): Promise<ReadAnswer> {
  const status = response.statusCode ?? 0;
  if (response.headers["content-type"]?.startsWith("text/event-stream")) return readEvents(response, status, receiver);
  const answer = parseJson<AnswerJson>(await text(response));
  if (status !== 200) {
    const message = answer.error?.message ?? (typeof answer.detail === "string" ? answer.detail : "it gave no reason");
    return { status, error: { ...answer.error, message } };
  }
  for (const image of answer.data ?? []) receive(image, receiver, answer.seed);
  return { status };
}

async function readEvents(response: IncomingMessage, status: number, receiver: Receiver): Promise<ReadAnswer> {
  const events = Readable.toWeb(response)
    .pipeThrough(new TextDecoderStream())
    .pipeThrough(new EventSourceParserStream());
  for await (const { data } of events) {
    const event = parseJson<EventJson>(data);
    if (event.type === "error") return { status, error: event.error ?? {} };
    if (event.type?.endsWith(".progress") && event.step !== undefined && event.steps !== undefined)
      receiver.step({ step: event.step, steps: event.steps });
    if (event.type?.endsWith(".completed")) receive(event, receiver);
  }
  return { status };
}

function receive({ b64_json: encoded, seed }: ImageJson, receiver: Receiver, seedOfAll?: number): void {
  if (encoded) receiver.image({ data: Buffer.from(encoded, "base64"), seed: seed ?? seedOfAll ?? null });
}

function parseJson<T extends object>(json: string): Partial<T> {
  try {
    return (JSON.parse(json) as T | null) ?? {};
  } catch {
    return {};
  }
}
