import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { gunzipSync } from "node:zlib";
import { formatSeconds } from "../../../../infra/units.ts";
import { CliError } from "../../../core/exit.ts";
import type { Progress } from "../../../core/progress.ts";
import { explainAws } from "../client/errors.ts";
import type { Invocation, Ssm } from "../client/ssm.ts";
import { quote } from "./shell-quote.ts";

/** What a script on the host gave. */
export interface HostAnswer {
  readonly exitCode: number;
  readonly stdout: string;
  /** The end of it. */
  readonly stderr: string;
}

export interface HostRun {
  readonly ssm: Ssm;
  readonly instanceId: string;
  readonly progress: Progress;
  readonly signal: AbortSignal;
  /** What the script does, for the live line and AWS's own list of commands. */
  readonly doing: string;
  /** Seconds after which the host ends the script. */
  readonly seconds?: number;
  /** Seconds between two looks. */
  readonly everySeconds?: number;
}

/**
 * AWS passes on 24,000 characters of what a command prints. So the output is kept in a file on the host, packed, and read
 * a piece a command; the packing makes one piece of nearly everything.
 */
const PIECE = 20_000;
const STDERR = 6_000;
const DAY_S = 86_400;
/** An agent that has not taken a command within this (seconds) is not there. */
const TAKEN_S = 75;
const PENDING = ["Pending", "InProgress", "Delayed"];

/** Runs `script` (bash) as root on the host. What it prints may be of any length and kind; its exit code comes back. */
export async function runOnHost(run: HostRun, script: string): Promise<HostAnswer> {
  const folder = `/run/imagegen-${randomUUID()}`;
  const first = await invoke(run, firstScript(folder, script), run.seconds ?? DAY_S);
  const head = /^imagegen (\d+) (\d+)\n([\s\S]*)$/.exec(first.stdout);
  if (!head) throw noAnswer(run, first);
  const [, exitCode = "1", size = "0", piece = ""] = head;
  let packed = piece.trim();
  while (packed.length < Number(size)) {
    const next = await invoke(run, nextScript(folder, packed.length), 60);
    if (next.stdout.trim() === "") throw noAnswer(run, next);
    packed += next.stdout.trim();
  }
  // Only what did not fit in the first piece is still on the host.
  if (Number(size) > PIECE) await invoke(run, `rm -rf ${folder}`, 60);
  const stdout = packed === "" ? "" : gunzipSync(Buffer.from(packed, "base64")).toString("utf8");
  return { exitCode: Number(exitCode), stdout, stderr: first.stderr };
}

/** The script in a bash of its own, whatever shell the agent uses; the answer's first line says how it ended. */
function firstScript(folder: string, script: string): string {
  return [
    "umask 077",
    `mkdir ${folder} || exit 1`,
    `bash -c ${quote(script)} >${folder}/out 2>${folder}/err </dev/null`,
    "code=$?",
    `tail -c ${STDERR} ${folder}/err >&2`,
    `gzip -c ${folder}/out | base64 -w0 >${folder}/packed`,
    `size=$(wc -c <${folder}/packed)`,
    'echo "imagegen $code $size"',
    `head -c ${PIECE} ${folder}/packed`,
    `if [ "$size" -le ${PIECE} ]; then rm -rf ${folder}; fi`,
  ].join("\n");
}

function nextScript(folder: string, done: number): string {
  return `tail -c +${done + 1} ${folder}/packed | head -c ${PIECE}`;
}

/** One command, until it has ended; Ctrl-C cancels it. */
async function invoke(run: HostRun, script: string, seconds: number): Promise<Invocation> {
  const { ssm, instanceId, progress, signal, doing, everySeconds = 1 } = run;
  let command: string | undefined;
  const started = performance.now();
  const passed = () => (performance.now() - started) / 1000;
  try {
    command = await ssm.run(instanceId, script, { seconds, comment: `imagegen: ${doing}` });
    for (;;) {
      await sleep(everySeconds * 1000, undefined, { signal });
      const now = await ssm.invocation(instanceId, command);
      if (now && !PENDING.includes(now.status)) return now;
      const taken = now?.status === "InProgress";
      if (!taken && passed() > TAKEN_S) throw new CliError(`${instanceId} does not take commands. ${AGENT_MEND}`);
      if (passed() > 3) progress.live(`${doing} on ${instanceId}, ${formatSeconds(passed())}`);
    }
  } catch (error) {
    if (command && (signal.aborted || error instanceof CliError)) await ssm.cancel(command).catch(() => {});
    signal.throwIfAborted();
    throw notReached(error, instanceId) ?? explainAws(error, doing);
  }
}

const AGENT_MEND =
  "Its agent must be running and reach AWS (Systems Manager): imagegen doctor, or imagegen stop and imagegen start.";

/** AWS says InvalidInstanceId for every host whose agent it does not hear. */
function notReached(error: unknown, instanceId: string): CliError | undefined {
  if (!(error instanceof Error) || error.name !== "InvalidInstanceId") return undefined;
  return new CliError(`${instanceId} can't be reached. ${AGENT_MEND}`);
}

function noAnswer({ doing, instanceId }: HostRun, { status, detail, stderr }: Invocation): CliError {
  const reason = stderr.trim().split("\n").at(-1) || detail || status;
  return new CliError(`${doing} on ${instanceId} gave no answer (${status}: ${reason}).`);
}
