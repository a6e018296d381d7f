/** The picture to start from: chosen, dropped, pasted or set by another module; with its strength and its mask. */
import { make, part, write } from "../elements.js";
import { onModel } from "../service/model.js";
import { setFromPicture } from "./shapes.js";

const TAKEN = new Set(["image/png", "image/jpeg", "image/webp"]);
/** The most pixels that the service takes, of a picture of any shape. */
const MOST_PIXELS = 16_777_216;
let image = null;
let size = null;
let mask = null;
let address = null;
let canEdit = false;
let strengthIsChosen = false;

/** `{ image, mask, strength }`; image is null without a picture to start from. */
export const source = () =>
  image === null ? { image: null, mask: null } : { image, mask, strength: Number(part("strength").value) };

/** Starts from this picture, a blob; null removes it. Throws if it is no picture. */
export async function setSource(blob, options = {}) {
  [image, size] = blob === null ? [null, null] : await taken(blob);
  mask = image === null ? null : (options.mask ?? null);
  strengthIsChosen = options.strength !== undefined && options.strength !== null;
  if (strengthIsChosen) part("strength").value = options.strength;
  show();
}

export function setMask(blob) {
  mask = blob;
  show();
}

/** As the service takes it (PNG, JPEG or WebP, not too large), and its width and height. */
async function taken(blob) {
  const bitmap = await createImageBitmap(blob).catch(() => {
    throw new Error("This file is not a picture that the browser can read.");
  });
  const { width, height } = bitmap;
  const known = { width, height };
  const scale = Math.min(1, Math.sqrt(MOST_PIXELS / (width * height)));
  if (scale === 1 && TAKEN.has(blob.type)) return [blob, known];
  const canvas = make("canvas", { width: Math.floor(width * scale), height: Math.floor(height * scale) });
  canvas.getContext("2d").drawImage(bitmap, 0, 0, canvas.width, canvas.height);
  return [await new Promise((resolve) => canvas.toBlob(resolve, "image/png")), known];
}

function show() {
  if (address) URL.revokeObjectURL(address);
  address = image ? URL.createObjectURL(image) : null;
  part("source-empty").hidden = image !== null;
  part("source-chosen").hidden = image === null;
  const picture = image ? [make("img", { src: address, alt: "The picture to start from" })] : [];
  part("source-thumbnail").replaceChildren(...picture, ...(mask ? [make("span", { class: "badge" }, "mask")] : []));
  write({ "mask-open": mask ? "Change the mask" : "Paint a mask" });
  // What the service does without the field.
  if (!strengthIsChosen) part("strength").value = mask ? 1 : 0.8;
  showStrength();
  setFromPicture(size);
}

function showStrength() {
  write({ "strength-value": Number(part("strength").value).toFixed(2) });
}

const takeFile = async (file) => {
  if (!file || !canEdit) return;
  try {
    await setSource(file);
    write({ error: "" });
  } catch (error) {
    write({ error: error.message });
  }
};
const fileOf = (transfer) => [...(transfer?.files ?? [])].find((file) => file.type.startsWith("image/"));

export function beginSource() {
  onModel((model) => {
    canEdit = model.edits.includes("image");
  });
  part("source-choose").addEventListener("click", () => part("source-file").click());
  part("source-file").addEventListener("change", () => {
    void takeFile(part("source-file").files[0]);
    part("source-file").value = "";
  });
  part("source-remove").addEventListener("click", () => {
    void setSource(null).then(() => part("source-choose").focus());
  });
  part("strength").addEventListener("input", () => {
    strengthIsChosen = true;
    showStrength();
  });
  document.addEventListener("paste", (event) => void takeFile(fileOf(event.clipboardData)));
  document.addEventListener("dragover", (event) => {
    if (!canEdit || ![...event.dataTransfer.types].includes("Files")) return;
    event.preventDefault();
    document.body.classList.add("dropping");
  });
  document.addEventListener("dragleave", (event) => {
    if (event.relatedTarget === null) document.body.classList.remove("dropping");
  });
  document.addEventListener("drop", (event) => {
    document.body.classList.remove("dropping");
    if (!fileOf(event.dataTransfer)) return;
    event.preventDefault();
    void takeFile(fileOf(event.dataTransfer));
  });
}
