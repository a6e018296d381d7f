/**
 * The models that are kept, the room on their disk, and what a key with the permission may do with them.
 *
 * In: `GET /v1/cache`. Out: a list, and requests that `operation.js` follows. Must not: ask for a key again and again; who
 * has cancelled the sign-in is asked at their next action.
 */
import { make, part, write } from "../elements.js";
import { call, getJson } from "../service/api.js";
import { onKey } from "../service/key.js";
import { onStatus } from "../service/status.js";
import { bytes, fixOf, moment } from "../text.js";
import { confirmed } from "./confirm.js";
import { beginOperation, follow, operate } from "./operation.js";

const REFRESH_MS = 15_000;
let timer;
/** Whether the last reading has succeeded: only then is it repeated by itself. */
let isReadable = false;
let isBusy = false;
let hasReadProblem = false;
let shown = "";

export function beginCache() {
  part("prefetch").addEventListener("submit", (event) => {
    event.preventDefault();
    const model = part("prefetch-model").value.trim();
    void act(() => operate("v1/cache/prefetch", { model }));
  });
  part("verify-all").addEventListener("click", () => void act(() => operate("v1/cache/verify", {})));
  beginOperation({
    onRunning: (running) => {
      setBusy(running);
      if (!running) void read();
    },
    onRepair: (damaged) => act(() => repair(damaged)),
  });
  onKey(() => void read());
  let phase;
  onStatus((status) => {
    if (status === null || status.phase === phase) return;
    phase = status.phase;
    void read();
  });
}

async function read() {
  clearTimeout(timer);
  try {
    show(await getJson("v1/cache"));
    isReadable = true;
    if (hasReadProblem) showProblem("");
    hasReadProblem = false;
  } catch (error) {
    // Without a key there is nothing to show, and the person has chosen so.
    isReadable = error.status !== 401;
    hasReadProblem = isReadable;
    if (isReadable) showProblem(error.message);
  }
  clearTimeout(timer);
  if (isReadable) timer = setTimeout(() => void read(), REFRESH_MS);
}

/** What a person has asked for; why it can't be done is shown. */
async function act(work) {
  showProblem("");
  try {
    await work();
  } catch (error) {
    showProblem(error.message);
  }
}

function showProblem(message) {
  const [what, fix] = fixOf(message);
  write({ "cache-error": what, "cache-fix": fix });
}

function show(listing) {
  part("cache").hidden = false;
  const may = listing.permissions.includes("cache");
  part("cache-actions").hidden = !may;
  part("cache-no-rights").hidden = may;
  showRoom(listing);
  if (listing.operation) follow(listing.operation);
  // The list stays as it is while nothing has changed, with the focus in it.
  const now = JSON.stringify([listing.models, may]);
  if (now === shown) return;
  shown = now;
  const focused = document.activeElement?.dataset.action;
  const alone = (model) => listing.models.filter(({ id, source }) => id === model.id && source === "volume").length < 2;
  part("cached").replaceChildren(...listing.models.map((model) => entry(model, may, alone(model))));
  if (focused) document.querySelector(`[data-action="${CSS.escape(focused)}"]`)?.focus();
  part("cached-none").hidden = listing.models.length > 0;
  setBusy(isBusy);
}

function showRoom({ bytes: kept, bytes_orphaned: orphaned, volume }) {
  const known = volume.bytes_total !== null;
  const free = known
    ? `${bytes(volume.bytes_free)} of ${bytes(volume.bytes_total)} free`
    : "the disk does not say how large it is";
  // Small files of locks and records always are there.
  const unused = orphaned >= 1e6 ? ` (${bytes(orphaned)} that nothing uses: imagegen cache clear --orphans)` : "";
  write({ "room-text": `${bytes(kept)} kept${unused}; ${free}` });
  const bar = part("room");
  bar.hidden = !known;
  if (!known) return;
  bar.max = volume.bytes_total;
  bar.value = volume.bytes_total - volume.bytes_free;
  bar.high = volume.bytes_total * 0.9;
}

function entry(model, may, isAlone) {
  const at = model.revision ? model.revision.slice(0, 12) : "no revision";
  const refs = model.refs.length > 0 ? ` (${model.refs.join(", ")})` : "";
  const facts = [stateOf(model), checkedOf(model), model.problem].filter(Boolean);
  const name = isAlone ? model.id : `${model.id} at ${at}`;
  return make(
    "li",
    { class: "cached" },
    make("p", {}, make("strong", {}, model.id), " ", make("span", { class: "quiet" }, at + refs)),
    make("p", {}, ...facts.flatMap((fact) => [fact, make("br")]).slice(0, -1)),
    may ? actionsOf(model, name, isAlone) : null,
  );
}

function stateOf(model) {
  const use = model.served ? ", in use by this service" : model.in_use ? ", in use by another service" : "";
  if (model.complete) return `${bytes(model.bytes)}, ${model.source === "baked" ? "in the image" : "complete"}${use}`;
  const all = bytes(model.bytes + model.bytes_lacking);
  return `incomplete: ${bytes(model.bytes + model.bytes_partial)} of ${all}${use}`;
}

function checkedOf(model) {
  if (model.source === "baked") return "verified when the image was built";
  return model.verified_at === null ? "not verified yet" : `verified ${moment(model.verified_at)}`;
}

function actionsOf(model, name, isAlone) {
  const revision = isAlone || !model.revision ? {} : { revision: model.revision };
  const button = (text, work) =>
    make(
      "button",
      {
        class: "plain small",
        type: "button",
        "data-action": `${text} ${name}`,
        "aria-label": `${text} ${name}`,
        onclick: () => void act(work),
      },
      text,
    );
  const target = { model: model.id, ...revision };
  // What this service lacks it downloads by itself.
  const isDownloadable = !(model.complete || model.served);
  const actions = [
    model.complete && button("Verify", () => operate("v1/cache/verify", target)),
    isDownloadable &&
      button("Download", () => operate("v1/cache/prefetch", { model: model.id, revision: model.revision })),
    !model.in_use && model.source === "volume" && button("Delete", () => remove(target, name)),
  ].filter(Boolean);
  return actions.length > 0 ? make("div", { class: "actions" }, actions) : null;
}

async function remove({ model, revision }, name) {
  const path = `v1/cache/models/${model}`;
  const query = new URLSearchParams(revision ? { revision } : {});
  const { bytes_freed: freed, revision: only } = await (
    await call(`${path}?${new URLSearchParams([...query, ["dry_run", "true"]])}`, { method: "DELETE" })
  ).json();
  const what = only
    ? `Revision ${only.slice(0, 12)} will be deleted`
    : "Everything cached of this model will be deleted";
  const isSure = await confirmed({
    title: `Delete ${name}?`,
    text: `${what}: ${bytes(freed)}. Other models stay. To be used again, it has to be downloaded again.`,
    yes: `Delete ${bytes(freed)}`,
  });
  if (isSure) await operate(`${path}?${query}`, undefined, "DELETE");
}

/** Sets damaged files aside, and downloads them again. */
async function repair(damaged) {
  for (const { id: model, revision } of damaged) {
    const aside = await operate("v1/cache/verify", { model, revision, repair: true });
    if (aside.status !== "succeeded") return;
    const again = await operate("v1/cache/prefetch", { model, revision });
    if (again.status !== "succeeded") return;
  }
}

function setBusy(busy) {
  isBusy = busy;
  for (const button of document.querySelectorAll("#cache-actions button, #cached button")) {
    // Not `disabled`, which would take the focus away from who has just pressed it.
    button.setAttribute("aria-disabled", String(busy));
  }
}
