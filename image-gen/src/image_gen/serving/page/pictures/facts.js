/** The settings of a picture or of a request as a list, and how far a request is, in words. */
import { make } from "../elements.js";
import { sides, time } from "../text.js";
import { secondsLeft } from "./run.js";

const NAMES = {
  prompt: "Prompt",
  negative_prompt: "Left out",
  size: "Size",
  steps: "Steps",
  guidance_scale: "Guidance",
  scheduler: "Scheduler",
  seed: "Seed",
  strength: "Strength",
  loras: "LoRAs",
  output_format: "Format",
};

/** A `<dl>` of the settings; `more` are further rows, by their name. */
export function factsOf(settings, more = {}) {
  const rows = Object.entries(NAMES)
    .filter(([name]) => settings[name] !== undefined)
    .map(([name, title]) => [title, textOf(name, settings[name])]);
  const all = [...rows, ...Object.entries(more).filter(([, value]) => value)];
  return make(
    "dl",
    { class: "settings" },
    all.map(([title, text]) => make("div", {}, make("dt", {}, title), make("dd", {}, text))),
  );
}

function textOf(name, value) {
  if (name === "size") return sides(value);
  if (name === "loras") return value.map((each) => `${each.name} ${each.weight}`).join(", ");
  return String(value);
}

/** How far a run is, in one line. */
export function progressOf(run) {
  const left = secondsLeft(run);
  const soon = left === null || left === undefined ? "" : `, about ${time(Math.max(1, left))} left`;
  if (run.state === "held" && run.againAt > performance.now()) {
    const reason = run.refusal === 429 ? "The service is full" : "The service is not ready";
    return `${reason}; sent again in ${time(Math.max(1, (run.againAt - performance.now()) / 1000))}`;
  }
  if (run.state === "held") return "Waits for your other pictures";
  if (run.state === "sent") return "Waiting for the first step";
  if (run.state === "queued") return `Place ${run.position + 1} in the queue${soon}`;
  if (run.state === "painting") {
    const which = run.count > 1 ? `Picture ${Math.min(run.pictures.length + 1, run.count)} of ${run.count}, ` : "";
    const step = run.step > 0 ? `step ${run.step} of ${run.steps}` : "painting";
    const text = `${which}${step}${soon}`;
    return text[0].toUpperCase() + text.slice(1);
  }
  if (run.state === "cancelled") {
    return run.pictures.length > 0 ? `Cancelled after ${run.pictures.length} of ${run.count}` : "Cancelled";
  }
  return run.state === "failed" ? run.error.message : "Done";
}
