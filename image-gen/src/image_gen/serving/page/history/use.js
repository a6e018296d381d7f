/** Settings of a kept picture: their names, what differs between two, and how they are used again, in the form or for another picture at once. */
import { fill, reuse } from "../form/form.js";
import { openMask } from "../form/mask.js";
import { setSource } from "../form/source.js";
import { startRun } from "../pictures/run.js";
import { sides } from "../text.js";
import { fileOf, startOf } from "./history.js";

/** Fields of a request in the order in which they are shown. */
const FIELDS = {
  prompt: "Prompt",
  negative_prompt: "Left out",
  seed: "Seed",
  size: "Size",
  steps: "Steps",
  guidance_scale: "Guidance",
  scheduler: "Scheduler",
  strength: "Strength",
  loras: "LoRAs",
  output_format: "Format",
  output_compression: "Quality",
  metadata: "Settings in the file",
};
/** How much a variation of a picture is made again, as the service's own variations do. */
const VARIATION_STRENGTH = 0.6;

export const settingName = (field) => FIELDS[field];

/** `[field, text]` of each setting that the picture has. */
export const settingsOf = ({ settings }) =>
  Object.keys(FIELDS)
    .filter((field) => settings[field] !== undefined && settings[field] !== null && settings[field] !== "")
    .map((field) => [field, textOf(field, settings[field])]);

function textOf(field, value) {
  if (field === "size") return sides(value);
  if (field === "loras") return value.map(({ name, weight }) => `${name} ${weight}`).join(", ");
  if (typeof value === "boolean") return value ? "yes" : "no";
  return String(value);
}

/** `[field, text, otherText]` of each setting; null where one does not have it. */
export function settingsOfBoth(one, other) {
  const [texts, others] = [new Map(settingsOf(one)), new Map(settingsOf(other))];
  return Object.keys(FIELDS)
    .filter((field) => texts.has(field) || others.has(field))
    .map((field) => [field, texts.get(field) ?? null, others.get(field) ?? null]);
}

/** All fields as they were, and what the picture began with. */
export const useAll = async (facts) => reuse({ ...facts, ...(await startOf(facts)) });

export const useOne = (facts, field) => fill({ [field]: facts.settings[field] });

/** The same again with other seeds, at once. */
export async function vary(facts, count = 1) {
  const { seed, ...settings } = facts.settings;
  startRun(count > 1 ? { ...settings, n: count } : settings, await startOf(facts));
}

/** The form starts from the picture, and keeps its other fields. */
export async function startFrom(facts) {
  const image = await fileOf(facts.id, "picture");
  if (image) await setSource(image);
}

/** The form has the picture's settings without its seed, starts from it, and the mask's dialog opens. */
export async function changePart(facts) {
  const { seed, strength, ...settings } = facts.settings;
  const image = await fileOf(facts.id, "picture");
  if (!image) return;
  await reuse({ settings: { ...settings, seed: null }, image, mask: null });
  await openMask();
}

/** Another one that begins with this picture, at once. */
export async function varyPicture(facts) {
  const { seed, ...settings } = facts.settings;
  const image = await fileOf(facts.id, "picture");
  startRun({ ...settings, strength: VARIATION_STRENGTH }, { image, mask: null });
}
