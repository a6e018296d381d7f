/** What the service says of its model, asked for when it is ready and again after each restart, and who listens to it. */
import { getJson } from "./api.js";
import { onKey } from "./key.js";
import { onStatus } from "./status.js";

const listeners = new Set();
let last = null;
let wasReady = false;

/** `listener(model)`, with the object of `/v1/models`, whenever it may have changed, and at once with the last one. */
export function onModel(listener) {
  listeners.add(listener);
  if (last) listener(last);
}

async function read() {
  try {
    [last] = (await getJson("v1/models")).data;
  } catch {
    return; // The state of the service says why.
  }
  for (const listener of listeners) listener(last);
}

export function beginModel() {
  void read();
  onKey(() => void read());
  onStatus((status) => {
    const ready = status?.phase === "ready";
    if (ready && !wasReady) void read();
    wasReady = ready;
  });
}
