import { formatBytes, formatSeconds } from "../units.ts";

/**
 * BuildKit's plain log: `#8 [deps 2/3] RUN …` begins a step, `#8 1.2 …` is a line of its output, and `DONE`, `CACHED`, `CANCELED`
 * or `ERROR: …` ends it.
 */
const LINE = /^#(\d+) (.+)$/;
const ENDED = /^(?:DONE|CACHED|CANCELED)\b/;
const OUTPUT = /^\d+\.\d+ (.*)$/;

interface Step {
  readonly name: string;
  readonly output: string[];
  ended: boolean;
  error: string | null;
}

function readSteps(log: string): Map<string, Step> {
  const steps = new Map<string, Step>();
  for (const line of log.split("\n")) {
    const [, id = "", text = ""] = LINE.exec(line.trimEnd()) ?? [];
    if (id === "") continue;
    const step = steps.get(id) ?? { name: text, output: [], ended: false, error: null };
    // The last one that is mentioned is the last of the map.
    steps.delete(id);
    steps.set(id, step);
    const output = OUTPUT.exec(text)?.[1];
    if (output !== undefined) step.output.push(output);
    else if (text.startsWith("ERROR: ")) step.error = text.slice("ERROR: ".length);
    step.ended = ENDED.test(text) || step.error !== null;
  }
  return steps;
}

/** BuildKit's own, which are no work: what it reads first, and which builder it is. The latter never ends. */
const NO_WORK = /^(?:\[internal\]|building with )/;
const LONGEST_NAME = 80;

/** A step on one line, without what is mounted for it. */
function shorten(name: string): string {
  const text = name
    .replace(/\s--mount=\S+/g, "")
    .replace(/\s+/g, " ")
    .trim();
  return text.length > LONGEST_NAME ? `${text.slice(0, LONGEST_NAME)}…` : text;
}

/** What the build does now, in one line; null before its first step. `writtenBytes`: null where they can't be seen. */
export function describeBuild(log: string, seconds: number, writtenBytes: number | null): string | null {
  const steps = [...readSteps(log).values()].filter(({ name }) => !NO_WORK.test(name));
  const current = steps.findLast(({ ended }) => !ended) ?? steps.at(-1);
  if (!current) return null;
  const done = steps.filter(({ ended }) => ended).length;
  return [
    `building the image for ${formatSeconds(seconds)}`,
    `${done} step${done === 1 ? "" : "s"} done`,
    ...(writtenBytes === null ? [] : [`${formatBytes(Math.max(0, writtenBytes))} written`]),
    shorten(current.name),
  ].join(" · ");
}

const NO_ROOM = /no space left on device|ENOSPC|disk quota exceeded|DISK_FULL/i;
/** A line that says what went wrong, where the last one is only its consequence. */
const TELLING = /error|fail|denied|not found|no such|cannot|can't|unable|refused|timed out|unreachable/i;

/** Why the build failed, in one line without a full stop, and what makes room if it is that; null when the log does not tell. */
export function buildFailure(log: string): { readonly cause: string; readonly fix: string | null } | null {
  const failed = [...readSteps(log).values()].find(({ error }) => error !== null);
  if (NO_ROOM.test(log)) {
    const fix = "docker image prune --all, then docker builder prune";
    return { cause: "Docker's disk is full", fix };
  }
  if (!failed?.error) return null;
  const lines = failed.output.map((line) => line.trim()).filter((line) => line !== "");
  const cause = lines.findLast((line) => TELLING.test(line)) ?? lines.at(-1) ?? failed.error;
  return { cause: cause.replace(/\.$/, ""), fix: null };
}
