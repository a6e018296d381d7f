/**
 * A request from its start to its end. A run is `{ id, settings, state, step, steps, preview, error, cancel() }`; `state` is `sent`,
 * `painting`, `done`, `cancelled` or `failed`. Listeners get it after each change.
 */
import { postJson } from "../service/api.js";
import { eventsOf } from "../service/events.js";
import { announce, newId } from "./made.js";

const listeners = new Set();

/** `listener(run)` after each change of any run. */
export const onRun = (listener) => listeners.add(listener);

function change(run, facts) {
  Object.assign(run, facts);
  for (const listener of listeners) listener(run);
}

/** Sends a request with these fields, and gives its run. */
export function startRun(settings) {
  const stop = new AbortController();
  const run = { id: newId(), settings, state: "sent", step: 0, steps: 0, preview: null, error: null };
  run.startedAt = performance.now();
  run.cancel = () => stop.abort();
  change(run, {});
  void follow(run, stop.signal);
  return run;
}

async function follow(run, signal) {
  try {
    const body = { ...run.settings, stream: true, progress: true, partial_images: 3 };
    const answer = await postJson("v1/images/generations", body, { signal });
    for await (const event of eventsOf(answer)) await take(run, event);
    change(run, { state: "done" });
  } catch (error) {
    if (signal.aborted) change(run, { state: "cancelled" });
    else change(run, { state: "failed", error });
  }
}

async function take(run, event) {
  if (event.type.endsWith(".progress")) change(run, { state: "painting", step: event.step, steps: event.steps });
  else if (event.type.endsWith(".partial_image")) change(run, { state: "painting", preview: blobOf(event) });
  else if (event.type.endsWith(".completed")) announce(pictureOf(run, event));
}

function pictureOf(run, event) {
  const { n, ...settings } = run.settings;
  return {
    id: newId(),
    blob: blobOf(event),
    settings: { ...settings, seed: event.seed, size: event.size, steps: event.steps },
    seed: event.seed,
    size: event.size,
    format: event.output_format,
    steps: event.steps,
    seconds: event.seconds,
    notes: event.notes ?? {},
    truncated: event.truncated_tokens ?? {},
    madeAt: Date.now(),
    image: null,
    mask: null,
    runId: run.id,
  };
}

function blobOf({ b64_json: data, output_format: format }) {
  const text = atob(data);
  const bytes = Uint8Array.from(text, (character) => character.charCodeAt(0));
  return new Blob([bytes], { type: `image/${format}` });
}
