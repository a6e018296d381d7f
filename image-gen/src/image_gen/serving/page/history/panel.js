/** The history's place on the page: how much there is, what is said of it, and what is done with all of it. */
import { make, part, write } from "../elements.js";
import { bytes } from "../text.js";
import { ask } from "./dialog.js";
import { downloadAll } from "./files.js";
import { beginGallery, search } from "./gallery.js";
import { onHistory, removeAll, undo } from "./history.js";
import { onPicking, startPicking, stopPicking } from "./picking.js";

/** Why pictures are not kept, as `lost` names it. */
const LOST = {
  blocked:
    "The browser keeps nothing for this page (a private window, or its storage is blocked): the history lasts for this tab only. Download what you want to keep.",
  newer:
    "A newer version of this page was opened in another tab: what is made here from now on lasts for this tab only. Reload the page.",
  full: "The browser has no room for another picture: new ones last for this tab only. Delete some, or download what you want to keep.",
};
const counted = (count) => `${count} ${count === 1 ? "picture" : "pictures"}`;
let pictures = [];

const button = (id, text, onclick) => make("button", { type: "button", class: "plain small", id, onclick }, text);

export function beginPanel() {
  const find = make("input", { type: "search", id: "history-search", placeholder: "Find prompt or seed" });
  find.setAttribute("aria-label", "Find prompt or seed");
  find.addEventListener("input", () => search(find.value));
  part("history").append(
    make("h2", { id: "history-title" }, "History"),
    make("p", { class: "quiet", id: "history-room" }),
    make("p", { class: "notice", id: "history-lost", role: "status", hidden: true }),
    make(
      "div",
      { class: "tools", id: "history-tools" },
      find,
      button("history-compare", "Compare two", () => startPicking()),
      button("history-download", "Download all", () => void downloadEach()),
      button("history-delete", "Delete all", () => void deleteEach()),
    ),
    make("div", { id: "history-bar", role: "status" }),
    make("div", { id: "history-days" }),
    make("p", { id: "history-none", class: "quiet", hidden: true }, "No picture has this prompt or seed."),
    button("history-more", "Show more"),
  );
  beginGallery();
  onHistory(show);
  onPicking((picked) => {
    const text = picked?.length ? "Choose the picture to compare it with." : "Choose two pictures.";
    bar(picked ? [text, button("history-cancel", "Cancel", stopPicking)] : []);
  });
}

function bar(content) {
  part("history-bar").replaceChildren(...content);
}

let deletedId = null;

function show(view) {
  ({ pictures } = view);
  part("history").hidden = pictures.length === 0 && view.deleted === null && view.lost === null;
  part("history-tools").hidden = pictures.length === 0;
  part("history-compare").disabled = pictures.length < 2;
  const gone =
    view.evicted > 0
      ? `The browser's storage was full: the ${view.evicted === 1 ? "oldest picture was" : `${view.evicted} oldest pictures were`} deleted for a new one.`
      : "";
  const text = [LOST[view.lost], gone].filter(Boolean).join(" ");
  write({ "history-lost": text });
  part("history-lost").hidden = text === "";
  const id = view.deleted?.id ?? null;
  if (id !== deletedId) bar(id ? ["Deleted.", button("history-undo", "Undo", undo)] : []);
  deletedId = id;
  void showRoom(view.lost === null || view.lost === "full");
}

/** How much room there is; browsers say it only over https and on localhost. */
async function showRoom(isKept) {
  const sum = pictures.reduce((total, each) => total + each.bytes, 0);
  const { quota, usage } = (await navigator.storage?.estimate().catch(() => ({}))) ?? {};
  const room =
    quota && isKept
      ? ` The browser has room for ${bytes(Math.max(0, quota - usage))} more; then the oldest go first.`
      : "";
  write({ "history-room": pictures.length > 0 ? `${counted(pictures.length)}, ${bytes(sum)}.${room}` : "" });
}

async function downloadEach() {
  const stop = new AbortController();
  const progress = make("span", {}, "");
  bar([progress, button("history-cancel", "Cancel", () => stop.abort())]);
  const count = pictures.length;
  const onCount = (done) => {
    progress.textContent = `Packing ${done} of ${counted(count)} …`;
  };
  try {
    await downloadAll(pictures, { onCount, signal: stop.signal });
    bar([`${counted(count)} packed with their settings.`]);
  } catch (error) {
    bar([stop.signal.aborted ? "Nothing was downloaded." : `The archive could not be made: ${error.message}`]);
  }
}

async function deleteEach() {
  const count = counted(pictures.length);
  const text = "They can't be brought back. Files that you downloaded stay.";
  if (await ask(`Delete ${count}?`, text, `Delete ${count}`)) await removeAll();
}
