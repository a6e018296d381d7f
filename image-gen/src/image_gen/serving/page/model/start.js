/** How far the start is, and what failed, until pictures can be made. */
import { part, write } from "../elements.js";
import { onStatus } from "../service/status.js";
import { bytes, time } from "../text.js";

const PHASES = {
  fetching: "downloading the model",
  verifying: "checking the model's files",
  loading: "loading the model",
  warming: "making a first picture",
};

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
    const again = status.error?.retryable ? " It is tried again by itself." : "";
    write({ "start-up-error": status.error ? status.error.message + again : "", "progress-text": phase });
    part("start-up").hidden = status.phase === "ready";
    showBar(status, phase);
  });
}

function showBar(status, phase) {
  const bar = part("bar");
  bar.hidden = status.phase === "failed";
  bar.removeAttribute("value");
  if (!["fetching", "verifying"].includes(status.phase) || status.bytes_total === 0) return;
  bar.max = status.bytes_total;
  bar.value = status.bytes_done;
  const rate = status.bytes_per_second > 0 ? `, ${bytes(status.bytes_per_second)}/s` : "";
  const left = status.eta_seconds === null ? "" : `, ${time(status.eta_seconds)} left`;
  write({ "progress-text": `${phase}: ${bytes(status.bytes_done)} of ${bytes(status.bytes_total)}${rate}${left}` });
}
