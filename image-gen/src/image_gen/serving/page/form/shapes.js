/** The picture's shape: named ones with about as many pixels as the model's own, and one of your own. */
import { make, part, write } from "../elements.js";
import { sides } from "../text.js";

/** Of 1024 × 1024 pixels, the sizes that SDXL was trained with. */
const NAMED = [
  ["Square", 1024, 1024],
  ["Portrait", 832, 1216],
  ["Landscape", 1216, 832],
  ["Tall", 768, 1344],
  ["Wide", 1344, 768],
];
const LEAST = 64;
let model = { default_size: null, max_size: 1536, size_multiple: null };
/** `{ width, height }` of the picture to start from, or null. */
let fromPicture = null;

/** The size as the API takes it; undefined where the model, or the picture to start from, decides. */
export function chosenSize() {
  const value = document.querySelector("input[name=shape]:checked")?.value ?? "auto";
  if (value === "auto") return undefined;
  return value === "own" ? `${part("width").value}x${part("height").value}` : value;
}

/** Chooses the shape of this size; null is the model's own. */
export function chooseSize(value) {
  const wanted = value === null || (value === model.default_size && !fromPicture) ? "auto" : value;
  const inputs = [...document.querySelectorAll("input[name=shape]")];
  const found = inputs.find((input) => input.value === wanted) ?? inputs.find((input) => input.value === "own");
  if (!found) return;
  if (found.value === "own") [part("width").value, part("height").value] = value.split("x");
  found.checked = true;
  showOwn();
}

/** With a picture to start from (`itsSize`: `{ width, height }`), the shape is that of it unless another is chosen; null without one. */
export function setFromPicture(itsSize) {
  fromPicture = itsSize;
  write({ "shape-hint": itsSize ? "(the picture's own first)" : "(the model's own first)" });
  offerShapes(model);
}

export function offerShapes(served) {
  model = served;
  const [width, height] = (model.default_size ?? "1024x1024").split("x").map(Number);
  const scale = Math.sqrt((width * height) / (1024 * 1024));
  const multiple = model.size_multiple ?? 8;
  const round = (side) => Math.max(LEAST, Math.min(model.max_size, Math.round((side * scale) / multiple) * multiple));
  const first = fromPicture
    ? ["The picture's", fromPicture.width, fromPicture.height, "auto", "its shape"]
    : [nameOf(width, height), width, height, "auto"];
  const others = NAMED.map(([name, ...pair]) => [name, ...pair.map(round)]);
  const seen = new Set(fromPicture ? [] : [`${width}x${height}`]);
  const shown = others.filter(([, ...pair]) => !seen.has(pair.join("x")) && seen.add(pair.join("x")));
  const checked = document.querySelector("input[name=shape]:checked")?.value ?? "auto";
  part("shapes").replaceChildren(...[first, ...shown, ["Other", 0, 0, "own", "any"]].map(option));
  document.querySelector("input[name=shape]").checked = true;
  if (checked === "own") document.querySelector("input[name=shape][value=own]").checked = true;
  else if (checked !== "auto") chooseSize(checked);
  for (const id of ["width", "height"]) [part(id).max, part(id).step] = [model.max_size, multiple];
  showOwn();
}

const nameOf = (width, height) => (width === height ? "Square" : width < height ? "Portrait" : "Landscape");

function option([name, width, height, value = `${width}x${height}`, detail = sides(`${width}x${height}`)]) {
  const input = make("input", { type: "radio", name: "shape", value });
  const outline = make("span", { class: width > 0 ? "outline" : "outline any" });
  if (width > 0) {
    outline.style.width = `${(22 * width) / Math.max(width, height)}px`;
    outline.style.height = `${(22 * height) / Math.max(width, height)}px`;
  }
  const text = make("span", {}, make("b", {}, name), make("small", {}, detail));
  return make("label", { class: "shape" }, input, make("span", { class: "outline-place" }, outline), text);
}

function showOwn() {
  const isOwn = document.querySelector("input[name=shape]:checked")?.value === "own";
  part("own-shape").hidden = !isOwn;
  for (const [id, at] of [
    ["width", 0],
    ["height", 1],
  ]) {
    part(id).required = isOwn;
    if (isOwn && part(id).value === "") part(id).value = (model.default_size ?? "1024x1024").split("x")[at];
  }
}

export function beginShapes() {
  part("shapes").addEventListener("change", showOwn);
  offerShapes(model);
}
