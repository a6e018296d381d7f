/** This start as a list: each phase with a bar from when it began to its end. */
import { make, part, write } from "../elements.js";
import { onStatus } from "../service/status.js";
import { seconds } from "../text.js";
import { PHASES } from "./phases.js";

let shown = "";

export function beginTimeline() {
  onStatus((status) => {
    if (status === null) return;
    // Before the service is ready it is what one looks at.
    const place = part(status.phase === "ready" ? "timeline-ready" : "timeline-starting");
    if (part("timeline").parentElement !== place) place.append(part("timeline"));
    const now = JSON.stringify([status.phase, status.timeline]);
    if (now === shown) return;
    shown = now;
    const all = Math.max(...status.timeline.map((each) => each.start_seconds + each.seconds), 0.001);
    write({ "timeline-sum": status.phase === "ready" ? `Ready after ${seconds(all)}.` : `${seconds(all)} so far.` });
    part("timeline-list").replaceChildren(...status.timeline.map((each) => entry(each, all)));
  });
}

function entry({ phase, start_seconds: start, seconds: took, error_code: code }, all) {
  const fill = make("span", { class: "fill", "data-phase": phase });
  // A short one at the end has its least width, too.
  fill.style.insetInlineStart = `min(${(100 * start) / all}%, 100% - 3px)`;
  fill.style.width = `${(100 * took) / all}%`;
  return make(
    "li",
    {},
    make("span", {}, PHASES[phase] ?? phase, code ? ` (${code})` : ""),
    make("span", { class: "took" }, make("span", { class: "unseen" }, `after ${seconds(start)}, for `), seconds(took)),
    make("span", { class: "track", "aria-hidden": "true" }, fill),
  );
}
