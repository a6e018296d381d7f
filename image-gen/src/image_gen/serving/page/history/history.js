/**
 * The history: which pictures there are, newest first, and what is done with them. In: pictures as they are made, and what other tabs do. Out:
 * `onHistory`. A picture here is what `factsOf` keeps of it; its blobs are asked for with `fileOf`. What is kept is named one by one: no key is.
 */
import { onPicture } from "../pictures/made.js";
import { onModel } from "../service/model.js";
import * as store from "./store.js";
import { thumbnailOf } from "./thumbnail.js";

/** The room of what was deleted comes back after a while: so often, and so many milliseconds apart, it is tried before more is deleted. */
const ATTEMPTS = 5;
const PAUSE = 400;
const KINDS = ["picture", "thumbnail", "image", "mask"];
const listeners = new Set();
const channel = new BroadcastChannel("image-gen-history");
let pictures = [];
let model = null;
/** What `undo` brings back: facts and files. */
let deleted = null;
/** `lost`: why pictures stay in this tab (`blocked`, `newer`, `full`), or null; `evicted`: how many were deleted for room. */
const state = { isOpen: false, lost: null, evicted: 0 };
/** One change after another. */
let last = null;

/** `listener({ pictures, deleted, isOpen, lost, evicted })` after each change, and at once. */
export function onHistory(listener) {
  listeners.add(listener);
  listener(view());
}

const view = () => ({ pictures, deleted: deleted?.facts ?? null, ...state });
const changed = () => {
  for (const listener of listeners) listener(view());
};
const sorted = (list) => list.toSorted((one, other) => other.madeAt - one.madeAt || (one.id < other.id ? 1 : -1));
const without = (id) => pictures.filter((each) => each.id !== id);

/** A blob of a picture; null where it is gone. */
export const fileOf = (id, kind) => store.file(id, kind);

/** What it began with: `{ image, mask }`. */
export const startOf = async ({ id }) => ({ image: await fileOf(id, "image"), mask: await fileOf(id, "mask") });

function factsOf(picture) {
  const { id, settings, seed, size, format, steps, seconds, notes, truncated, madeAt, blob, image, mask } = picture;
  const files = { bytes: blob.size, imageType: image ? image.type || "image/png" : null, hasMask: Boolean(mask) };
  return { id, settings, seed, size, format, steps, seconds, notes, truncated, madeAt, model, ...files };
}

function inTurn(work) {
  last = last.then(work, work);
  return last;
}

async function add(picture) {
  const thumbnail = await thumbnailOf(picture.blob);
  await keep(factsOf(picture), { picture: picture.blob, thumbnail, image: picture.image, mask: picture.mask });
}

async function keep(facts, files) {
  if (!store.hasDatabase() || !(await keepWithRoom(facts, files))) store.keepInMemory(facts, files);
  else channel.postMessage({ added: facts.id });
  pictures = sorted([...without(facts.id), facts]);
  changed();
}

/** Where there is no room, the oldest pictures go. False where there is none without them. */
async function keepWithRoom(facts, files) {
  const bytes = Object.values(files).reduce((sum, blob) => sum + (blob?.size ?? 0), 0);
  while (!(await fits(facts, files))) {
    if (state.lost !== null || pictures.length === 0) {
      state.lost ??= "full";
      return false;
    }
    await makeRoom(bytes);
    for (let attempt = 1; attempt < ATTEMPTS && !(await fits(facts, files)); attempt += 1)
      await new Promise((resolve) => setTimeout(resolve, PAUSE));
  }
  return true;
}

async function fits(facts, files) {
  try {
    await store.keep(facts, files);
    return true;
  } catch (error) {
    if (error?.name !== "QuotaExceededError") state.lost ??= "blocked";
    return false;
  }
}

async function makeRoom(bytes) {
  let freed = 0;
  while (freed < bytes && pictures.length > 0) {
    const oldest = pictures.at(-1);
    await forget(oldest.id);
    freed += oldest.bytes;
    state.evicted += 1;
  }
  changed();
}

async function forget(id) {
  await store.removeFiles(id);
  pictures = without(id);
  channel.postMessage({ removed: id });
}

/** Deletes a picture; `undo` brings the last one back, and resolves with it. */
export const remove = (facts) =>
  inTurn(async () => {
    const files = await Promise.all(KINDS.map(async (kind) => [kind, await fileOf(facts.id, kind)]));
    deleted = { facts, files: Object.fromEntries(files) };
    await forget(facts.id);
    changed();
  });

export const undo = () =>
  inTurn(async () => {
    if (deleted === null) return null;
    const { facts, files } = deleted;
    deleted = null;
    await keep(facts, files);
    return facts;
  });

export const removeAll = () =>
  inTurn(async () => {
    await store.clear();
    channel.postMessage({ cleared: true });
    clearView();
  });

function clearView() {
  pictures = [];
  deleted = null;
  state.evicted = 0;
  if (state.lost === "full") state.lost = null;
  changed();
}

/** What another tab did. */
async function follow({ added, removed, cleared }) {
  if (cleared) clearView();
  if (removed) pictures = without(removed);
  const facts = added ? await store.factsIn(added) : undefined;
  if (facts) pictures = sorted([...without(added), facts]);
  changed();
}

async function open() {
  await store.openStore((reason) => {
    state.lost = reason;
    changed();
  });
  pictures = sorted(await store.all());
  state.isOpen = true;
  changed();
}

export function beginHistory() {
  last = open();
  channel.addEventListener("message", ({ data }) => void inTurn(() => follow(data)));
  onModel(({ id }) => {
    model = id;
  });
  onPicture((picture) => void inTurn(() => add(picture)));
}
