/** The requests that are being made or wait, each with its progress and a way to cancel it, and those that failed. */
import { make, part } from "../elements.js";
import { factsOf, progressOf } from "./facts.js";
import { isActive, onRun, shareDone } from "./run.js";
import { showRun } from "./stage.js";

const rows = new Map();

function onChange(run) {
  const isNew = !rows.has(run);
  if (isNew) forgetEnded();
  if (run.state === "done") drop(run);
  else if (isNew) {
    rows.set(run, rowOf(run));
    part("run-list").append(rows.get(run).row);
  }
  update(run);
  // One request alone is on the stage.
  part("runs").hidden = rows.size < 2 && ![...rows.keys()].some((each) => each.state === "failed");
}

function drop(run) {
  rows.get(run)?.row.remove();
  rows.delete(run);
}

/** What was cancelled or failed before is over when another request is sent. */
function forgetEnded() {
  for (const run of [...rows.keys()]) if (!isActive(run)) drop(run);
}

function rowOf(run) {
  const title = run.settings.prompt || "Without a prompt";
  const state = make("span", { class: "quiet" });
  const bar = make("progress", { max: 1, "aria-label": `Progress of ${title.slice(0, 60)}` });
  const thumbnail = make("span", { class: "thumbnail" });
  const show = make(
    "button",
    { type: "button", class: "show" },
    thumbnail,
    make("span", {}, make("b", {}, title), state),
  );
  show.addEventListener("click", () => showRun(run));
  const end = make("button", { type: "button", class: "plain small" }, "Cancel");
  end.addEventListener("click", () => {
    if (isActive(run)) run.cancel();
    else {
      drop(run);
      part("runs").hidden = rows.size < 2;
    }
  });
  const about = make("details", {}, make("summary", {}, "Settings"), factsOf(run.settings));
  return { row: make("li", {}, show, end, bar, about), state, bar, end, thumbnail, image: null };
}

function update(run) {
  const row = rows.get(run);
  if (!row) return;
  row.state.textContent = progressOf(run);
  row.state.className = run.state === "failed" ? "error" : "quiet";
  row.bar.hidden = !isActive(run);
  row.bar.value = shareDone(run);
  row.end.textContent = isActive(run) ? "Cancel" : "Dismiss";
  row.end.setAttribute(
    "aria-label",
    `${row.end.textContent}: ${(run.settings.prompt || "without a prompt").slice(0, 60)}`,
  );
  const blob = run.preview ?? run.pictures.at(-1)?.blob ?? null;
  if (blob === row.image) return;
  const old = row.thumbnail.firstChild?.src;
  row.image = blob;
  row.thumbnail.replaceChildren(...(blob ? [make("img", { src: URL.createObjectURL(blob), alt: "" })] : []));
  if (old) URL.revokeObjectURL(old);
}

export function beginRuns() {
  onRun(onChange);
  setInterval(() => {
    for (const run of rows.keys()) update(run);
  }, 1000);
}
