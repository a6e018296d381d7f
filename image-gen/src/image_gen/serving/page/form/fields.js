/** The plain fields of a request: which element has which field of the API, and what the served model takes. */
import { part } from "../elements.js";

/** Elements by the name of the field. */
export const FIELDS = {
  prompt: "prompt",
  negative_prompt: "negative",
  n: "n",
  steps: "steps",
  guidance_scale: "guidance",
  scheduler: "scheduler",
  output_format: "format",
  output_compression: "compression",
};
const NUMBERS = new Set(["n", "steps", "guidance_scale", "output_compression"]);
/** What a picture has without the field: it is not sent. */
const USUAL = { n: "1", output_format: "png" };

const isShown = (element) => element.closest("[hidden]") === null;

/** The fields that are shown and have a value other than the usual one. */
export function readFields() {
  const read = {};
  for (const [name, id] of Object.entries(FIELDS)) {
    const text = part(id).value.trim();
    if (text === "" || text === USUAL[name] || !isShown(part(id))) continue;
    read[name] = NUMBERS.has(name) ? Number(text) : text;
  }
  if (part("metadata").checked && isShown(part("metadata"))) read.metadata = true;
  return read;
}

/** Sets the fields that are named; null means the usual value. */
export function fillFields(values) {
  for (const [name, id] of Object.entries(FIELDS)) {
    if (name in values) part(id).value = String(values[name] ?? USUAL[name] ?? "");
  }
  if ("metadata" in values) part("metadata").checked = values.metadata === true;
  showFormat();
}

/** Marks the field that an error names; null clears the mark. */
export function markField(name) {
  for (const [field, id] of Object.entries({ ...FIELDS, seed: "seed" })) {
    if (field === name) part(id).setAttribute("aria-invalid", "true");
    else part(id).removeAttribute("aria-invalid");
  }
}

/** Shows what the model takes, and nothing else. */
export function offerFields(model) {
  for (const element of document.querySelectorAll("[data-field]"))
    element.hidden = !model.parameters.includes(element.dataset.field);
  for (const element of document.querySelectorAll("[data-edit]"))
    element.hidden = !model.edits.includes(element.dataset.edit);
  part("n").max = model.max_images;
  part("n").parentElement.hidden = model.max_images === 1;
  const list = part("scheduler");
  const chosen = list.value;
  list.replaceChildren(new Option("the model's own", ""), ...model.schedulers.map((name) => new Option(name, name)));
  list.value = model.schedulers.includes(chosen) ? chosen : "";
  part("scheduler-field").hidden = model.schedulers.length === 0;
}

function showFormat() {
  const isPng = part("format").value === "png";
  part("compression-field").hidden = isPng;
  part("metadata-field").hidden = !isPng;
}

export function beginFields() {
  part("format").addEventListener("change", showFormat);
  showFormat();
}
