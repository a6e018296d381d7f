/**
 * One picture, large, with its settings beside it: the one that is being made, as far as it is, or the one that was chosen. It follows what is
 * being made until a person chooses another; `showPicture` is for those who have pictures to choose from.
 */
import { make, part } from "../elements.js";
import { fill, reuse } from "../form/form.js";
import { openMask } from "../form/mask.js";
import { setSource } from "../form/source.js";
import { onModel } from "../service/model.js";
import { sides, time } from "../text.js";
import { factsOf, progressOf } from "./facts.js";
import { isActive, onRun, shareDone } from "./run.js";

/** What is shown: `{ run }`, `{ picture, run }` or nothing. */
let shown = {};
/** Whether the next picture that is made takes the place. */
let isFollowing = true;
let edits = [];
let address = null;
let addressOf = null;
const thumbnails = new Map();

/** Shows a picture, until another request is started. */
export function showPicture(picture) {
  isFollowing = false;
  shown = { picture, run: shown.run?.pictures.includes(picture) ? shown.run : null };
  render();
}

/** Shows a request, and then its pictures. */
export function showRun(run) {
  isFollowing = run.state !== "held";
  shown = { run };
  render();
}

function onChange(run) {
  const isNew = run.state === "held" && run.attempts === 0;
  // A request that has just been sent takes the place, unless another is being made that the person watches.
  if (isNew && !(shown.run && isActive(shown.run) && isFollowing)) {
    isFollowing = true;
    shown = { run };
    if (matchMedia("(max-width: 52rem)").matches) part("stage").scrollIntoView({ block: "start" });
  } else if (isFollowing && run.state === "painting" && !(shown.run && isActive(shown.run))) shown = { run };
  if (shown.run !== run) return;
  if (isFollowing)
    shown = { run, picture: run.preview || (run.step > 0 && isActive(run)) ? null : run.pictures.at(-1) };
  render();
}

/** The address of a blob; the last one is given back when another is asked for. */
function urlOf(blob) {
  if (addressOf !== blob) {
    if (address) URL.revokeObjectURL(address);
    address = blob ? URL.createObjectURL(blob) : null;
    addressOf = blob;
  }
  return address;
}

/** What is on the page now, but for what changes at each step. */
let rendered = "";

function render() {
  const { run, picture } = shown;
  const active = run ? isActive(run) : false;
  const key = [picture?.id, run?.id, run?.pictures.length, active || run?.state, Boolean(run?.preview), edits].join();
  if (key === rendered && run) update(run);
  else if (picture) renderPicture(picture, run);
  else if (run) renderRun(run);
  else renderEmpty();
  rendered = key;
}

/** In place: a button that is replaced at each step could be neither clicked nor kept in focus. */
function update(run) {
  const text = isActive(run) ? progressOf(run) : part("result").textContent;
  if (part("result").textContent !== text) part("result").textContent = text;
  const bar = part("stage").querySelector("progress");
  if (bar) bar.value = shareDone(run);
  const preview = part("stage").querySelector("img.preview");
  if (preview && run.preview && addressOf !== run.preview) preview.src = urlOf(run.preview);
}

function put(frame, about, strip = null) {
  part("stage").replaceChildren(
    make("div", {}, make("div", { class: "frame" }, frame), strip),
    make("div", { class: "about" }, about),
  );
}

function renderEmpty() {
  const text = "The picture will be here, with its settings beside it.";
  part("stage").replaceChildren(make("div", { class: "frame" }, make("p", {}, text)));
}

function renderRun(run) {
  const last = run.preview ?? run.pictures.at(-1)?.blob ?? null;
  const [width, height] = (run.settings.size ?? "").split("x");
  const image = last ? make("img", { src: urlOf(last), alt: "The picture so far", class: "preview" }) : null;
  if (image && width && run.preview) Object.assign(image, { width, height });
  const text = progressOf(run);
  const active = isActive(run);
  const size = run.settings.size ? {} : { Size: run.files.image ? "the picture's" : "the model's own" };
  put(image ?? make("p", { class: active ? "working" : "" }, active ? "" : "No picture was made."), [
    make("p", { class: run.state === "failed" ? "error" : "state", id: "result", role: "status" }, text),
    active ? make("progress", { max: 1, value: shareDone(run), "aria-label": "Progress of the picture" }) : null,
    active ? make("div", { class: "actions" }, button("Cancel", run.cancel, "cancel")) : null,
    factsOf(run.settings, size),
  ]);
}

function renderPicture(picture, run) {
  const url = urlOf(picture.blob);
  const image = make("img", { id: "picture", src: url, alt: `Picture of: ${picture.settings.prompt || "no prompt"}` });
  const [width, height] = picture.size.split("x");
  Object.assign(image, { width, height });
  const name = `image-gen-${picture.seed}.${picture.format}`;
  const cut = picture.truncated.prompt;
  const more = { Size: picture.settings.size ? null : sides(picture.size) };
  const running = run && isActive(run);
  put(
    image,
    [
      make(
        "p",
        { class: "state", id: "result", role: "status" },
        running
          ? progressOf(run)
          : `Done in ${picture.seconds < 10 ? `${picture.seconds.toFixed(1)} s` : time(picture.seconds)}`,
      ),
      running ? make("progress", { max: 1, value: shareDone(run), "aria-label": "Progress of the pictures" }) : null,
      cut
        ? make("p", { class: "notice" }, `The end of the prompt, ${cut} tokens, was not read: it is too long.`)
        : null,
      make(
        "div",
        { class: "actions" },
        running ? button("Cancel", run.cancel, "cancel") : null,
        make("a", { id: "save", class: "button primary", href: url, download: name }, "Save"),
        button("Use settings", () => reuse(picture)),
        button("Use seed", () => fill({ seed: picture.seed })),
        edits.includes("image") ? button("Start from it", () => setSource(picture.blob)) : null,
        edits.includes("mask") ? button("Change a part", () => changePart(picture)) : null,
      ),
      factsOf(picture.settings, more),
    ],
    run && run.count > 1 ? strip(run, picture) : null,
  );
}

async function changePart(picture) {
  await setSource(picture.blob);
  await openMask();
}

/** The pictures of one request. */
function strip(run, current) {
  const buttons = run.pictures.map((each, index) => {
    if (!thumbnails.has(each)) thumbnails.set(each, URL.createObjectURL(each.blob));
    const image = make("img", { src: thumbnails.get(each), alt: `Picture ${index + 1}, seed ${each.seed}` });
    const pressed = String(each === current);
    return make("button", { type: "button", "aria-pressed": pressed, onclick: () => choose(each, index) }, image);
  });
  return make("div", { class: "strip", role: "group", "aria-label": "Pictures of this request" }, buttons);
}

function choose(picture, index) {
  showPicture(picture);
  document.querySelectorAll(".strip button")[index]?.focus();
}

function button(text, onclick, id = null) {
  return make("button", { type: "button", class: "plain small", onclick, id }, text);
}

export function beginStage() {
  renderEmpty();
  onRun(onChange);
  onModel((model) => {
    edits = model.edits;
  });
  // The seconds that are left, also where no step is done in one.
  setInterval(() => {
    if (shown.run && isActive(shown.run)) render();
  }, 1000);
}
