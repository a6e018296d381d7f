/** How far the start is, and what failed, until pictures can be made. */
import { part, write } from "../elements.js";
import { onStatus } from "../service/status.js";
import { bytes, fixOf, time } from "../text.js";
import { PHASES } from "./phases.js";

export function beginStart() {
  onStatus((status) => {
    if (status === null) {
      write({ state: "not reachable" });
      part("state").dataset.phase = "failed";
      return;
    }
    const phase = PHASES[status.phase] ?? status.phase;
    write({ state: phase });
    part("state").dataset.phase = status.phase;
    part("start-up").hidden = status.phase === "ready";
    write({ "start-up-title": status.phase === "failed" ? "Not ready" : "Getting ready" });
    showProgress(status, phase);
    showError(status);
  });
}

function showError({ error }) {
  const [what, fix] = fixOf(error?.message ?? "");
  write({ "start-up-error": what, "start-up-fix": fix });
  part("again-by-itself").hidden = !error?.retryable;
  part("again-when-changed").hidden = !error || error.retryable;
}

function showProgress(status, phase) {
  const bar = part("bar");
  bar.hidden = status.phase === "failed";
  bar.removeAttribute("value");
  const counts = ["fetching", "verifying"].includes(status.phase) && status.bytes_total > 0;
  const isFetching = status.phase === "fetching";
  write({ "progress-file": counts && isFetching ? (status.file ?? "") : "" });
  if (!counts) {
    const kept = status.phase === "failed" && status.bytes_total > status.bytes_done && status.bytes_done > 0;
    const arrived = `${bytes(status.bytes_done)} of ${bytes(status.bytes_total)} have arrived, and are kept.`;
    write({ "progress-text": kept ? arrived : status.phase === "failed" ? "" : phase });
    return;
  }
  bar.max = status.bytes_total;
  bar.value = status.bytes_done;
  const rate = status.bytes_per_second > 0 ? `, ${bytes(status.bytes_per_second)}/s` : "";
  const left = status.eta_seconds === null ? "" : `, ${time(status.eta_seconds)} left`;
  write({ "progress-text": `${phase}: ${bytes(status.bytes_done)} of ${bytes(status.bytes_total)}${rate}${left}` });
}
