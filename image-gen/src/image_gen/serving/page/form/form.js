/** The request's fields: read them (`settings`), fill them (`fill`), and send them. Names are those of the API. */
import { part, write } from "../elements.js";
import { startRun } from "../pictures/run.js";
import { onModel } from "../service/model.js";
import { isReady, onStatus } from "../service/status.js";
import { sides } from "../text.js";

/** Where each field of the API is. */
const FIELDS = { prompt: "prompt", negative_prompt: "negative", size: "size", steps: "steps", seed: "seed" };
const NUMBERS = new Set(["steps", "seed"]);
const SIDES = [512, 640, 768, 832, 1024, 1216, 1344, 1536].map((side) => [side, side]);

/** The fields that have a value, as the body of a request. */
export function settings() {
  const filled = Object.entries(FIELDS).filter(([, id]) => part(id).value.trim() !== "");
  return Object.fromEntries(
    filled.map(([name, id]) => [name, NUMBERS.has(name) ? Number(part(id).value) : part(id).value]),
  );
}

/** Fills the fields that are named, and leaves the others; null empties one. */
export function fill(values) {
  for (const [name, id] of Object.entries(FIELDS)) {
    if (!(name in values)) continue;
    const text = String(values[name] ?? "");
    if (name === "size" && ![...part(id).options].some((option) => option.value === text))
      part(id).add(new Option(sides(text), text));
    part(id).value = text;
  }
}

function offerSizes(model) {
  const list = part("size");
  const chosen = list.value;
  list.replaceChildren(new Option(model.default_size ? `${sides(model.default_size)} (default)` : "default", "auto"));
  for (const pair of [...SIDES, [832, 1216], [1216, 832], [768, 1344], [1344, 768]]) {
    const size = pair.join("x");
    if (Math.max(...pair) <= model.max_size && size !== model.default_size) list.add(new Option(sides(size), size));
  }
  list.value = chosen;
  if (list.selectedIndex < 0) list.value = "auto";
}

export function beginForm() {
  onStatus(() => {
    part("make").disabled = !isReady();
  });
  let first = true;
  onModel((model) => {
    offerSizes(model);
    if (first && model.few_steps) part("steps").value = model.few_steps.steps;
    first &&= model.default_size === null;
  });
  part("form").addEventListener("submit", (event) => {
    event.preventDefault();
    write({ error: "" });
    startRun(settings());
  });
}
