/** What `/readyz` says, again and again, and who listens to it. */
import { TIMEOUT } from "./api.js";

const listeners = new Set();
let last = null;

/** `listener(status)` with each answer, and at once with the last one; null while the service does not answer. */
export function onStatus(listener) {
  listeners.add(listener);
  if (last) listener(last);
}

export const isReady = () => last?.phase === "ready";

async function watch() {
  try {
    const answer = await fetch("readyz", { cache: "no-store", signal: AbortSignal.timeout(TIMEOUT) });
    last = await answer.json();
  } catch {
    last = null;
  }
  for (const listener of listeners) listener(last);
  setTimeout(() => void watch(), isReady() ? 5000 : 700);
}

export function beginStatus() {
  void watch();
}
