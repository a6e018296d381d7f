/** The picture that is being made, or was made last. */

import { make, part, write } from "../elements.js";
import { fill } from "../form/form.js";
import { sides, time } from "../text.js";
import { onPicture } from "./made.js";
import { onRun } from "./run.js";

let address = null;

function show(image, caption) {
  if (address) URL.revokeObjectURL(address);
  address = image ? URL.createObjectURL(image) : null;
  const picture = address ? make("img", { src: address, alt: caption.alt ?? "" }) : make("p", {}, caption.empty);
  const text = make("span", { role: "status", id: "result" }, caption.text ?? "");
  part("stage").replaceChildren(
    make("figure", {}, make("div", { class: "frame" }, picture), make("figcaption", {}, text, caption.actions ?? [])),
  );
}

function showRun(run) {
  const cancel = make("button", { type: "button", class: "plain", id: "cancel", onclick: run.cancel }, "Cancel");
  const seconds = (performance.now() - run.startedAt) / 1000;
  const text =
    run.state === "painting" ? `Step ${run.step} of ${run.steps}, ${time(seconds)}` : "Waiting for its turn …";
  if (run.state === "sent" || run.state === "painting")
    show(run.preview, { empty: "Working …", text, actions: [cancel], alt: "A preview" });
  if (run.state === "cancelled") show(null, { empty: "Cancelled." });
  if (run.state === "failed") {
    show(null, { empty: "The picture will be here." });
    write({ error: run.error.message });
  }
}

function showPicture(picture) {
  const cut = picture.truncated.prompt;
  const unread = cut ? `. The end of the prompt, ${cut} tokens, was not read: it is too long` : "";
  const again = make(
    "button",
    { type: "button", class: "plain", onclick: () => fill({ seed: picture.seed }) },
    "Use this seed",
  );
  const save = make("a", { id: "save", download: `image-gen-${picture.seed}.${picture.format}` }, "Save");
  show(picture.blob, {
    alt: `Picture of: ${picture.settings.prompt}`,
    text: `Seed ${picture.seed}, ${sides(picture.size)}, ${picture.steps} steps, ${picture.seconds.toFixed(1)} s${unread}`,
    actions: [again, save],
  });
  save.href = address;
}

export function beginStage() {
  show(null, { empty: "The picture will be here." });
  onRun(showRun);
  onPicture(showPicture);
}
