/** The pictures as thumbnails, newest first, a group for each day. One stop of the tab key; arrow keys move in it. */
import { make, part } from "../elements.js";
import { openDetail } from "./detail.js";
import { fileOf, onHistory, remove } from "./history.js";
import { isPicking, onPicking, pick, stopPicking } from "./picking.js";
import { altOf, dayOf } from "./words.js";

/** Thumbnails at first, and further ones at a time. */
const MANY = 60;
/** `{ item, url }` by the picture's id. */
const items = new Map();
let pictures = [];
let wanted = "";
let most = MANY;
/** Which one the tab key reaches: the newest, until a person has moved to another. */
let current = null;
let hasMoved = false;

const matches = ({ settings, seed }) =>
  wanted === "" || String(seed) === wanted || (settings.prompt ?? "").toLowerCase().includes(wanted);
const matching = () => pictures.filter(matches);
const buttonOf = (id) => items.get(id)?.item.firstChild ?? null;

/** Shows those whose prompt has the text, or whose seed it is. */
export function search(text) {
  wanted = text.trim().toLowerCase();
  most = MANY;
  render();
}

export function beginGallery() {
  onHistory((view) => {
    pictures = view.pictures;
    render();
  });
  onPicking((picked) => {
    for (const [id, { item }] of items) {
      if (picked === null) item.firstChild.removeAttribute("aria-pressed");
      else item.firstChild.setAttribute("aria-pressed", String(picked.some((each) => each.id === id)));
    }
    if (picked?.length) focusOn(picked[0].id);
  });
  part("history-more").addEventListener("click", () => {
    const first = matching()[most];
    most += MANY;
    render();
    focusOn(first.id);
  });
  part("history-days").addEventListener("keydown", onkeydown);
}

function render() {
  const all = matching();
  const list = all.slice(0, most);
  const known = new Set(pictures.map(({ id }) => id));
  const hadFocus = part("history-days").contains(document.activeElement);
  for (const [id, { url }] of items) {
    if (known.has(id)) continue;
    if (url) URL.revokeObjectURL(url);
    items.delete(id);
  }
  const days = Map.groupBy(list, ({ madeAt }) => dayOf(madeAt));
  part("history-days").replaceChildren(
    ...[...days].flatMap(([day, members]) => [
      make("h3", {}, day),
      make("ul", { class: "thumbnails", "aria-label": day }, members.map(itemOf)),
    ]),
  );
  part("history-more").hidden = all.length <= most;
  part("history-more").textContent = `Show ${Math.min(MANY, all.length - most)} more`;
  part("history-none").hidden = wanted === "" || all.length > 0;
  if (!hasMoved || !list.some(({ id }) => id === current)) current = list[0]?.id ?? null;
  reach(current);
  if (hadFocus) buttonOf(current)?.focus();
}

function itemOf(facts) {
  if (!items.has(facts.id)) items.set(facts.id, newItem(facts));
  return items.get(facts.id).item;
}

function newItem(facts) {
  const image = make("img", { alt: altOf(facts), width: 144, height: 144 });
  const badge = facts.imageType ? make("span", { class: "badge", "aria-hidden": "true" }, "edit") : null;
  const open = make("button", { type: "button", tabIndex: -1, onclick: () => choose(facts) }, image, badge);
  const entry = { item: make("li", {}, open), url: null };
  void fileOf(facts.id, "thumbnail").then((blob) => {
    if (!blob || !items.has(facts.id)) return;
    entry.url = URL.createObjectURL(blob);
    image.src = entry.url;
  });
  return entry;
}

function choose(facts) {
  hasMoved = true;
  reach(facts.id);
  if (isPicking()) void pick(facts);
  else void openDetail(facts, matching(), focusOn);
}

/** Makes it the one that the tab key reaches. */
function reach(id) {
  for (const button of part("history-days").querySelectorAll("button[tabindex='0']")) button.tabIndex = -1;
  current = id;
  const button = buttonOf(id);
  if (button) button.tabIndex = 0;
}

function focusOn(id) {
  const there = buttonOf(id)?.isConnected ? id : current;
  if (there === null) return;
  hasMoved = true;
  reach(there);
  buttonOf(there)?.focus();
}

function onkeydown(event) {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const buttons = [...part("history-days").querySelectorAll("button")];
  const at = buttons.indexOf(document.activeElement);
  const facts = matching()[at];
  if (at < 0) return;
  const steps = { ArrowLeft: -1, ArrowRight: 1, Home: -at, End: buttons.length - 1 - at };
  let to = event.key in steps ? at + steps[event.key] : null;
  if (event.key === "ArrowDown") to = below(buttons, at, 1);
  if (event.key === "ArrowUp") to = below(buttons, at, -1);
  if (to !== null) {
    event.preventDefault();
    const next = matching()[Math.max(0, Math.min(buttons.length - 1, to))];
    focusOn(next.id);
  } else if (event.key === "Delete") {
    // The next one takes its place.
    hasMoved = true;
    current = (matching()[at + 1] ?? matching()[at - 1])?.id ?? null;
    void remove(facts);
  } else if (event.key === "Escape" && isPicking()) stopPicking();
}

/** The nearest one of the next row in a direction, by where they are seen. */
function below(buttons, at, direction) {
  const boxes = buttons.map((button) => button.getBoundingClientRect());
  const { left, top } = boxes[at];
  const ahead = boxes.map((box, index) => ({ index, box })).filter(({ box }) => (box.top - top) * direction > 1);
  if (ahead.length === 0) return at;
  const row =
    direction > 0 ? Math.min(...ahead.map(({ box }) => box.top)) : Math.max(...ahead.map(({ box }) => box.top));
  const inRow = ahead.filter(({ box }) => Math.abs(box.top - row) < 2);
  const [nearest] = inRow.toSorted((one, other) => Math.abs(one.box.left - left) - Math.abs(other.box.left - left));
  return nearest.index;
}
