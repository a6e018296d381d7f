/** What the service says of its model, asked for when it is ready and again after each restart, and who listens to it. */
import { ApiError, getJson, TIMEOUT } from "./api.js";
import { onKey } from "./key.js";
import { onStatus } from "./status.js";

const listeners = new Set();
let last = null;
let wasReady = false;
/** Whether the last request had no answer. */
let isLost = false;

/** `listener(model)`, with the object of `/v1/models`, whenever it may have changed, and at once with the last one. */
export function onModel(listener) {
  listeners.add(listener);
  if (last) listener(last);
}

async function read() {
  isLost = false;
  try {
    [last] = (await getJson("v1/models", { timeout: TIMEOUT })).data;
  } catch (error) {
    isLost = !(error instanceof ApiError);
    return; // The state of the service says why.
  }
  for (const listener of listeners) listener(last);
}

export function beginModel() {
  void read();
  onKey(() => void read());
  onStatus((status) => {
    const ready = status?.phase === "ready";
    if (ready && (!wasReady || isLost)) void read();
    wasReady = ready;
  });
}
