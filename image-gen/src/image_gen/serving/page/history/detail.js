/** One picture of the history, large, with every setting and what can be done with it. */
import { make, part } from "../elements.js";
import { onModel } from "../service/model.js";
import { bytes, sides, time } from "../text.js";
import { copy } from "./clipboard.js";
import { openDialog } from "./dialog.js";
import { download } from "./files.js";
import { fileOf, onHistory, remove, undo } from "./history.js";
import { startPicking } from "./picking.js";
import { curlOf, pythonOf } from "./samples.js";
import { changePart, settingName, settingsOf, startFrom, useAll, useOne, vary, varyPicture } from "./use.js";
import { altOf, momentOf } from "./words.js";

/** Fields that are of a picture to start from, and not of the form alone. */
const NOT_ALONE = new Set(["strength"]);
/** Fields whose text is longer than a line. */
const LONG = new Set(["prompt", "negative_prompt"]);
/** `{ facts, list, close }`: what is shown, and among which pictures. */
let shown = null;
let kept = new Map();
/** How many variants are made at once, where the service makes so many. */
const VARIANTS = 4;
let most = 1;
let edits = [];
let urls = [];

/** Opens it, with the pictures before and after. `onClose` is called with the id of the one that was shown last. */
export async function openDetail(facts, list, onClose) {
  const close = openDialog("detail", "Picture", {
    content: [make("div", { id: "detail-body" }), make("div", { id: "detail-status", role: "status" })],
    onkeydown,
    onClose: () => {
      const { id } = shown.facts;
      shown = null;
      release();
      onClose(id);
    },
  });
  shown = { facts, list, close };
  await show(facts);
}

function release() {
  for (const url of urls) URL.revokeObjectURL(url);
  urls = [];
}

async function urlOf(id, kind) {
  const blob = await fileOf(id, kind);
  if (!blob) return null;
  urls.push(URL.createObjectURL(blob));
  return urls.at(-1);
}

function say(...content) {
  part("detail-status")?.replaceChildren(...content);
}

async function show(facts) {
  shown.facts = facts;
  const before = urls;
  urls = [];
  const [picture, image, mask] = await Promise.all(["picture", "image", "mask"].map((kind) => urlOf(facts.id, kind)));
  if (shown?.facts !== facts) return;
  const focused = document.activeElement?.id;
  const frame = picture
    ? make("img", { src: picture, alt: altOf(facts) })
    : make("p", {}, "This picture can't be read any more.");
  part("detail-body").replaceChildren(
    make("div", { class: "detail-picture" }, make("div", { class: "frame" }, frame), turning()),
    make(
      "div",
      { class: "beside" },
      actionsOf(facts),
      settingsList(facts),
      begunWith(facts, image, mask),
      aboutOf(facts),
    ),
  );
  for (const url of before) URL.revokeObjectURL(url);
  // What was pressed is another element now.
  const next = focused ? part(focused) : null;
  if (next && !next.disabled) next.focus();
  else part("use-all").focus();
}

const button = (text, onclick, more = {}) =>
  make("button", { type: "button", class: "plain small", onclick, ...more }, text);

function turning() {
  const at = place();
  return make(
    "div",
    { class: "turning" },
    button("Newer", () => turn(-1), { id: "newer", disabled: at <= 0 }),
    make("span", { class: "quiet" }, `${at + 1} of ${shown.list.length}`),
    button("Older", () => turn(1), { id: "older", disabled: at >= shown.list.length - 1 }),
  );
}

const place = () => shown.list.findIndex(({ id }) => id === shown.facts.id);

function turn(by) {
  const next = shown.list[place() + by];
  if (!next) return;
  say();
  void show(next);
}

function actionsOf(facts) {
  const closing = (work) => async () => {
    await work(facts);
    shown?.close();
  };
  const count = Math.min(VARIANTS, most);
  // Its dialog takes the place of this one.
  const changeAPart = () => {
    shown?.close();
    void changePart(facts);
  };
  return make(
    "div",
    { class: "actions" },
    button("Use all settings", closing(useAll), { class: "primary small", id: "use-all" }),
    button("Another seed", closing(vary), { id: "vary", "aria-description": "The same with another seed, at once" }),
    count > 1
      ? button(
          `${count} other seeds`,
          closing(() => vary(facts, count)),
          { id: "variants" },
        )
      : null,
    edits.includes("image") ? button("Make a variation", closing(varyPicture), { id: "vary-picture" }) : null,
    edits.includes("image") ? button("Start from it", closing(startFrom), { id: "start-from" }) : null,
    edits.includes("mask") ? button("Change a part", changeAPart, { id: "change-part" }) : null,
    button("Compare with …", closing(startPicking), { id: "compare" }),
    button("Download", () => save(facts, "picture"), { id: "download" }),
    button("Copy as curl", () => copyText(curlOf(facts), "The command"), { id: "copy-curl" }),
    button("Copy as Python", () => copyText(pythonOf(facts), "The program"), { id: "copy-python" }),
    button("Delete", () => remove(facts), { id: "delete" }),
  );
}

async function save(facts, kind) {
  if (!(await download(facts, kind))) say("This picture can't be read any more.");
}

async function copyText(text, name) {
  if (await copy(text, part("detail"))) return say(`${name} is in the clipboard.`);
  const area = make("textarea", { value: text, rows: 8, readOnly: true, "aria-label": name });
  say("The browser does not let the page use the clipboard. Copy it from here:", area);
  return area.select();
}

function settingsList(facts) {
  const row = ([field, text]) => {
    const name = settingName(field);
    const use = async () => {
      await useOne(facts, field);
      say(`${name} is in the form.`);
    };
    const button_ = button("Use", use, { id: `use-${field}`, "aria-label": `Use this ${name.toLowerCase()}` });
    return make(
      "div",
      { class: LONG.has(field) ? "setting long" : "setting" },
      make("dt", {}, name),
      make("dd", {}, text, NOT_ALONE.has(field) ? null : button_),
    );
  };
  return make("dl", { class: "used" }, settingsOf(facts).map(row));
}

function begunWith(facts, image, mask) {
  const one = (kind, url, name) =>
    url
      ? make(
          "button",
          { type: "button", class: "thumbnail", onclick: () => save(facts, kind), "aria-label": `Download ${name}` },
          make("img", { src: url, alt: "" }),
        )
      : null;
  if (!image) return null;
  return make(
    "div",
    {},
    make("h3", {}, mask ? "Began with this picture and mask" : "Began with this picture"),
    make(
      "div",
      { class: "begun-with" },
      one("image", image, "the picture it began with"),
      one("mask", mask, "the mask"),
    ),
  );
}

function aboutOf(facts) {
  const rows = {
    Size: facts.settings.size ? null : sides(facts.size),
    Made: `${momentOf(facts.madeAt)}, in ${facts.seconds < 10 ? `${facts.seconds.toFixed(1)} s` : time(facts.seconds)}`,
    Model: facts.model,
    File: `${facts.format}, ${bytes(facts.bytes)}`,
  };
  const known = Object.entries(rows).filter(([, text]) => text);
  return make(
    "dl",
    { class: "about" },
    known.flatMap(([name, text]) => [make("dt", {}, name), make("dd", {}, text)]),
  );
}

function onkeydown(event) {
  if (event.target.matches("textarea, input") || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === "ArrowLeft") turn(-1);
  else if (event.key === "ArrowRight") turn(1);
  else if (event.key === "Delete") void remove(shown.facts);
}

/** A picture that is deleted, here or in another tab, makes place for the next one. */
function follow({ pictures, deleted }) {
  kept = new Map(pictures.map((facts) => [facts.id, facts]));
  if (!shown) return;
  const at = place();
  shown.list = shown.list.filter(({ id }) => kept.has(id));
  if (kept.has(shown.facts.id)) return;
  const next = shown.list[Math.min(at, shown.list.length - 1)];
  if (!next) {
    shown.close();
    return;
  }
  if (deleted) say("Deleted. ", button("Undo", bringBack, { id: "detail-undo" }));
  void show(next);
}

async function bringBack() {
  const facts = await undo();
  if (!shown || !facts) return;
  shown.list = [...shown.list, facts].toSorted((one, other) => other.madeAt - one.madeAt);
  say("It is back.");
  await show(facts);
}

export function beginDetail() {
  onHistory(follow);
  onModel((model) => {
    edits = model.edits;
    most = model.max_images;
  });
}
