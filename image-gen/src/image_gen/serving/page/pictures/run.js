/**
 * A request from its start to its end. A run is `{ id, settings, files, count, state, … }`; `state` is
 * - `held`: the page sends it when others are done; or again at `againAt`, as the service had no place (`refusal` 429) or was not ready (503);
 * - `sent`, `queued` (with `position` and `forecast`), `painting` (with `step`, `steps` and `preview` of picture number `pictures.length`);
 * - `done`, `cancelled` or `failed` (with `error`).
 * Listeners get it after each change.
 */
import { postForm, postJson } from "../service/api.js";
import { eventsOf } from "../service/events.js";
import { announce, newId } from "./made.js";

/** A browser has six connections to a host over HTTP 1; the others are for the state, the queue and what is cancelled. */
const MOST_AT_ONCE = 4;
/** So often a request is sent again that the service had no place for. */
const MOST_ATTEMPTS = 5;
const PREVIEWS = 3;
const listeners = new Set();
const waiting = [];
let atOnce = 0;

/** `listener(run)` after each change of any run. */
export const onRun = (listener) => listeners.add(listener);

export const isActive = (run) => !["done", "cancelled", "failed"].includes(run.state);

function change(run, facts) {
  Object.assign(run, facts);
  for (const listener of listeners) listener(run);
}

/** Sends a request with these fields, and gives its run. `files`: `{ image, mask }`, blobs or null. */
export function startRun(settings, files = { image: null, mask: null }) {
  const stop = new AbortController();
  const run = { id: newId(), settings, files, count: settings.n ?? 1, state: "held", pictures: [], attempts: 0 };
  Object.assign(run, { step: 0, steps: 0, preview: null, error: null, startedAt: performance.now(), marks: [] });
  run.cancel = () => {
    stop.abort();
    if (run.state === "held") change(run, { state: "cancelled" });
  };
  waiting.push([run, stop.signal]);
  change(run, {});
  next();
  return run;
}

function next() {
  while (atOnce < MOST_AT_ONCE && waiting.length > 0) {
    const [run, signal] = waiting.shift();
    if (signal.aborted) continue;
    atOnce += 1;
    void follow(run, signal).finally(() => {
      atOnce -= 1;
      next();
    });
  }
}

async function follow(run, signal) {
  try {
    change(run, { state: "sent" });
    const answer = await send(run, signal);
    for await (const event of eventsOf(answer)) take(run, event);
    change(run, { state: "done", preview: null });
  } catch (error) {
    if (signal.aborted) change(run, { state: "cancelled", preview: null });
    else if (error.retryAfter && run.attempts < MOST_ATTEMPTS) await again(run, signal, error);
    else change(run, { state: "failed", preview: null, error });
  }
}

/** Later: the service has said when. */
async function again(run, signal, { status, retryAfter }) {
  const milliseconds = retryAfter * 1000;
  const facts = { attempts: run.attempts + 1, refusal: status, againAt: performance.now() + milliseconds };
  change(run, { state: "held", ...facts });
  await new Promise((resolve) => {
    setTimeout(resolve, milliseconds);
    signal.addEventListener("abort", resolve, { once: true });
  });
  if (!signal.aborted) await follow(run, signal);
}

function send(run, signal) {
  const body = { ...run.settings, stream: true, progress: true, partial_images: PREVIEWS };
  // As OpenAI's clients say it: the service keeps a place for who returns in time.
  const options = { signal, headers: { "X-Stainless-Retry-Count": String(run.attempts) } };
  const { image, mask } = run.files;
  if (image === null) return postJson("v1/images/generations", body, options);
  const form = new FormData();
  form.append("prompt", "");
  for (const [name, value] of Object.entries(body))
    form.set(name, typeof value === "object" ? JSON.stringify(value) : String(value));
  form.append("image", image, "image");
  if (mask) form.append("mask", mask, "mask.png");
  return postForm("v1/images/edits", form, options);
}

function take(run, event) {
  const kind = event.type.slice(event.type.indexOf(".") + 1);
  if (kind === "queued") change(run, { state: "queued", position: event.position, forecast: event.forecast_seconds });
  if (kind === "progress") {
    run.marks.push([performance.now(), run.pictures.length * event.steps + event.step]);
    change(run, { state: "painting", step: event.step, steps: event.steps });
  }
  if (kind === "partial_image") change(run, { state: "painting", preview: blobOf(event) });
  if (kind === "completed") {
    const picture = pictureOf(run, event);
    run.pictures.push(picture);
    change(run, { step: 0, preview: null });
    announce(picture);
  }
}

/** How much of all is done, from 0 to 1. */
export const shareDone = (run) => (run.pictures.length + (run.steps ? run.step / run.steps : 0)) / run.count;

/** Seconds until the last picture, by the steps so far; null while that is not known. */
export function secondsLeft(run) {
  if (run.state === "queued") return run.forecast;
  if (run.marks.length < 2 || run.state !== "painting") return null;
  const [[firstTime, first], [lastTime, last]] = [run.marks[0], run.marks.at(-1)];
  const perStep = (lastTime - firstTime) / (last - first) / 1000;
  const since = (performance.now() - lastTime) / 1000;
  return Math.max(0, perStep * (run.count * run.steps - last) - since);
}

function pictureOf(run, event) {
  const { n, size, ...settings } = run.settings;
  const { image, mask } = run.files;
  // A picture that begins with another has the size of that, unless one was asked for.
  const ownSize = image && size === undefined ? {} : { size: event.size };
  return {
    id: newId(),
    blob: blobOf(event),
    settings: { ...settings, ...ownSize, seed: event.seed, steps: event.steps },
    seed: event.seed,
    size: event.size,
    format: event.output_format,
    steps: event.steps,
    seconds: event.seconds,
    notes: event.notes ?? {},
    truncated: event.truncated_tokens ?? {},
    madeAt: Date.now(),
    image,
    mask,
    runId: run.id,
  };
}

function blobOf({ b64_json: data, output_format: format }) {
  const bytes = Uint8Array.from(atob(data), (character) => character.charCodeAt(0));
  return new Blob([bytes], { type: `image/${format}` });
}
