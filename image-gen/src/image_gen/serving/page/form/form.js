/** The request as a whole: read it (`settings`), fill it (`fill`), and send it. Names are those of the API. */
import { part, write } from "../elements.js";
import { onRun, startRun } from "../pictures/run.js";
import { onModel } from "../service/model.js";
import { isReady, onStatus } from "../service/status.js";
import { beginFields, FIELDS, fillFields, markField, offerFields, readFields } from "./fields.js";
import { fillLoras, loras, offerLoras } from "./loras.js";
import { beginSeed, fillSeed, seed } from "./seed.js";
import { beginShapes, chooseSize, chosenSize, offerShapes } from "./shapes.js";
import { setSource, source } from "./source.js";

/** The fields that have a value, as the body of a request. `image` and `mask` are apart: `source()`. */
export function settings() {
  const { image, strength } = source();
  const all = {
    ...readFields(),
    size: chosenSize(),
    seed: seed(),
    loras: loras(),
    strength: image ? strength : undefined,
  };
  return Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined));
}

/**
 * Fills the fields that are named, and leaves the others; null empties one. `files` (`{ image, mask }`, blobs or null) replaces the picture to
 * start from.
 */
export async function fill(values, files = null) {
  fillFields(values);
  if ("seed" in values) fillSeed(values.seed);
  if ("loras" in values) fillLoras(values.loras);
  if (files) await setSource(files.image ?? null, { mask: files.mask, strength: values.strength });
  if ("size" in values) chooseSize(values.size);
}

/** Every field as it was for a picture; how many pictures are made stays. */
export function reuse(picture) {
  const unset = Object.keys(FIELDS).filter((name) => name !== "n");
  const usual = Object.fromEntries([...unset, "size", "loras", "metadata"].map((name) => [name, null]));
  return fill({ ...usual, ...picture.settings }, picture);
}

function send() {
  write({ error: "" });
  markField(null);
  const { image, mask } = source();
  startRun(settings(), { image, mask });
}

function showMake() {
  const count = Number(part("n").value);
  write({ "make-text": count > 1 ? `Make ${count} pictures` : "Make a picture" });
  part("make").disabled = !isReady();
}

function offer(model, isFirst) {
  offerFields(model);
  offerShapes(model);
  offerLoras(model.loras);
  if (isFirst && model.few_steps) part("steps").value = model.few_steps.steps;
}

export function beginForm() {
  beginFields();
  beginShapes();
  beginSeed();
  onStatus(showMake);
  part("n").addEventListener("input", showMake);
  let isFirst = true;
  onModel((model) => {
    offer(model, isFirst);
    // Until a model is loaded, nothing is known of it.
    isFirst &&= model.default_size === null;
  });
  onRun((run) => {
    if (run.state !== "failed") return;
    write({ error: run.error.message });
    markField(run.error.param);
  });
  part("form").addEventListener("submit", (event) => {
    event.preventDefault();
    if (isReady()) send();
  });
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey) || document.querySelector("dialog[open]")) return;
    event.preventDefault();
    if (!part("make").disabled) part("form").requestSubmit();
  });
}
