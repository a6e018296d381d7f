/** An operation on the cache: begun, followed until its end, cancelled. One runs at a time, also of other people's. */
import { part, write } from "../elements.js";
import { ApiError, call, getJson, postJson } from "../service/api.js";
import { bytes, fixOf, time } from "../text.js";

const EVERY_MS = 700;
const DOING = { prefetch: "Downloading", verify: "Verifying", delete: "Deleting" };
/** The promise of the end of the one that is followed. */
let following = null;
let current = null;
/** The damaged models that it has found. */
let damaged = [];
let onRunning;

/** `onRunning(isRunning)` when one begins, and when it has ended; `onRepair(models)` for the damaged models of a verification. */
export function beginOperation({ onRunning: listener, onRepair }) {
  onRunning = listener;
  part("operation-cancel").addEventListener("click", () => void cancel());
  part("operation-repair").addEventListener("click", () => void onRepair(damaged));
}

/** Begins one, and gives it as it is in the end. Throws why the service refuses it. */
export async function operate(path, body, method = "POST") {
  if (following)
    throw new ApiError(409, { message: "An operation is running. Wait until it has ended, or cancel it." });
  const answer = await (method === "POST" ? postJson(path, body) : call(path, { method }));
  return follow(await answer.json());
}

/** Follows one that runs, whoever has begun it. */
export function follow(operation) {
  following ??= watch(operation).finally(() => {
    following = null;
    onRunning(false);
  });
  return following;
}

async function watch(operation) {
  onRunning(true);
  part("operation").hidden = false;
  let last = operation;
  while (last.status === "running") {
    show(last);
    await new Promise((resolve) => setTimeout(resolve, EVERY_MS));
    try {
      last = await getJson(`v1/cache/operations/${operation.id}`);
    } catch (error) {
      if (error instanceof ApiError) last = { ...last, status: "failed", error };
      else write({ "operation-text": "The service does not answer; asking again." });
    }
  }
  show(last);
  return last;
}

const targetOf = ({ model }) => model ?? "all models";

function show(operation) {
  current = operation;
  const isRunning = operation.status === "running";
  damaged = (operation.result?.models ?? []).filter((model) => model.damaged.length + model.missing.length > 0);
  const [what, fix] = fixOf(operation.error?.message ?? damageOf());
  write({
    // Read aloud, so not at every step.
    "operation-text": isRunning ? `${DOING[operation.kind]} ${targetOf(operation)} …` : endOf(operation),
    "operation-progress": isRunning ? progressOf(operation) : "",
    "operation-error": what,
    "operation-fix": fix,
  });
  showBar(operation.progress, isRunning);
  // A deletion runs to its end.
  part("operation-cancel").hidden = !isRunning || operation.kind === "delete";
  part("operation-repair").hidden = isRunning || damaged.length === 0;
}

function showBar(progress, isRunning) {
  const bar = part("operation-bar");
  bar.hidden = !isRunning;
  bar.removeAttribute("value");
  if (!progress || progress.bytes_total === 0) return;
  bar.max = progress.bytes_total;
  bar.value = progress.bytes_done;
}

function progressOf({ progress }) {
  if (!progress || progress.bytes_total === 0) return "";
  const rate = progress.bytes_per_second > 0 ? `, ${bytes(progress.bytes_per_second)}/s` : "";
  const left = progress.eta_seconds === null ? "" : `, ${time(progress.eta_seconds)} left`;
  return `${bytes(progress.bytes_done)} of ${bytes(progress.bytes_total)}${rate}${left}`;
}

function endOf({ kind, status, model, result }) {
  const target = targetOf({ model });
  if (status === "cancelled") return `${DOING[kind]} ${target} was cancelled. What has arrived is kept.`;
  if (status === "failed") return `${DOING[kind]} ${target} failed.`;
  if (kind === "delete") return `Deleted ${target}: ${bytes(result.bytes_freed)} are free again.`;
  if (kind === "prefetch") {
    const came =
      result.bytes_fetched > 0 ? `${bytes(result.bytes_fetched)} downloaded` : "nothing had to be downloaded";
    return `${result.id} is complete: ${came}.`;
  }
  const count = result.models.length === 1 ? "1 model" : `${result.models.length} models`;
  if (result.ok) return `Every file of ${count} matches its hash.`;
  return result.repaired ? "Damaged files were set aside." : `Not every file of ${count} matches its hash.`;
}

function damageOf() {
  return damaged
    .map(({ id, damaged: altered, missing }) => {
      const parts = [
        altered.length > 0 ? `damaged: ${some(altered)}` : "",
        missing.length > 0 ? `missing: ${some(missing)}` : "",
      ];
      return `${id}, ${parts.filter(Boolean).join("; ")}.`;
    })
    .join(" ");
}

const some = (files) =>
  files.length > 3 ? `${files.slice(0, 3).join(", ")} and ${files.length - 3} more` : files.join(", ");

async function cancel() {
  try {
    await call(`v1/cache/operations/${current.id}/cancel`, { method: "POST" });
    write({ "operation-text": "Cancelling …" });
  } catch (error) {
    // It has ended meanwhile, which shows in a moment.
    if (error.code !== "operation_has_ended") write({ "operation-error": error.message });
  }
}
