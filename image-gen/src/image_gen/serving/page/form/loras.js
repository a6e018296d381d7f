/** The LoRAs of the service: which are used, each with its weight. */
import { make, part } from "../elements.js";

const rows = () => [...document.querySelectorAll("#loras .lora")];
const checkOf = (row) => row.querySelector("input[type=checkbox]");
const weightOf = (row) => row.querySelector("input[type=number]");

/** The chosen ones, as the API takes them; undefined for none. */
export function loras() {
  const chosen = rows().filter((row) => checkOf(row).checked);
  if (chosen.length === 0) return undefined;
  return chosen.map((row) => ({ name: row.dataset.name, weight: Number(weightOf(row).value || 1) }));
}

export function fillLoras(values) {
  for (const row of rows()) {
    const found = values?.find((each) => each.name === row.dataset.name);
    checkOf(row).checked = found !== undefined;
    weightOf(row).value = found?.weight ?? 1;
  }
}

export function offerLoras(names) {
  const chosen = loras();
  const legend = part("loras").querySelector("legend");
  part("loras").replaceChildren(legend, ...names.map(rowOf));
  part("loras").hidden = names.length === 0;
  fillLoras(chosen);
}

function rowOf(name) {
  const check = make("label", { class: "check" }, make("input", { type: "checkbox" }), name);
  const facts = { type: "number", min: -4, max: 4, step: 0.05, value: 1, "aria-label": `Weight of ${name}` };
  const weight = make("input", facts);
  weight.addEventListener("input", () => {
    check.firstChild.checked = true;
  });
  return make("div", { class: "lora", "data-name": name }, check, weight);
}
