import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { gunzipSync } from "node:zlib";
import { formatSeconds } from "../../../../infra/units.ts";
import { commandFor } from "../../../core/command-line.ts";
import { CliError, lastLine } from "../../../core/exit.ts";
import type { Progress } from "../../../core/progress.ts";
import { toCliError } from "../client/errors.ts";
import type { Invocation, Ssm } from "../client/ssm.ts";
import { quote } from "./shell-quote.ts";

/** The result of a script on the host; of its errors only the end. */
export type HostCommandResult = Awaited<ReturnType<typeof runOnHost>>;

export interface HostRun {
  /** The name of the host's stack, for the fixes of errors. */
  readonly stack: string;
  readonly ssm: Ssm;
  readonly instanceId: string;
  readonly progress: Progress;
  readonly signal: AbortSignal;
  /** What the script does, for the progress line and AWS's own list of commands. */
  readonly doing: string;
  /** Seconds after which the host ends the script. */
  readonly seconds?: number;
  /** Seconds between two looks. */
  readonly everySeconds?: number;
}

/**
 * AWS returns 24,000 characters of a command's output. So the output is compressed into a file on the host and read in
 * pieces, one a command; most outputs fit in one.
 */
const PIECE = 20_000;
const STDERR = 6_000;
const DAY_S = 86_400;
/** Seconds for the agent to accept a command. */
const ACCEPT_S = 75;
const PENDING = ["Pending", "InProgress", "Delayed"];

/** Runs `script` (bash) as root on the host. Its output may be of any length and kind. */
export async function runOnHost(run: HostRun, script: string) {
  const folder = `/run/imagegen-${randomUUID()}`;
  const first = await invoke(run, firstScript(folder, script), run.seconds ?? DAY_S);
  const head = /^imagegen (\d+) (\d+)\n([\s\S]*)$/.exec(first.stdout);
  if (!head) throw noResult(run, first);
  const [, exitCode = "1", size = "0", piece = ""] = head;
  let packed = piece.trim();
  while (packed.length < Number(size)) {
    const next = await invoke(run, nextScript(folder, packed.length), 60);
    if (next.stdout.trim() === "") throw noResult(run, next);
    packed += next.stdout.trim();
  }
  // Only what did not fit in the first piece is still on the host.
  if (Number(size) > PIECE) await invoke(run, `rm -rf ${folder}`, 60);
  const stdout = packed === "" ? "" : gunzipSync(Buffer.from(packed, "base64")).toString("utf8");
  return { exitCode: Number(exitCode), stdout, stderr: first.stderr };
}

/** The script in a bash of its own, whatever shell the agent uses; the output's first line has its exit code. */
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
  const { stack, ssm, instanceId, progress, signal, doing, everySeconds = 1 } = run;
  let command: string | undefined;
  const started = performance.now();
  const passed = () => (performance.now() - started) / 1000;
  try {
    command = await ssm.run(instanceId, script, { seconds, comment: `imagegen: ${doing}` });
    for (;;) {
      await sleep(everySeconds * 1000, undefined, { signal });
      const now = await ssm.invocation(instanceId, command);
      if (now && !PENDING.includes(now.status)) return now;
      if (now?.status !== "InProgress" && passed() > ACCEPT_S)
        throw new CliError({ message: `${instanceId} accepts no commands. ${AGENT}`, fix: agentFix(stack) });
      if (passed() > 3) progress.update(`${doing} on ${instanceId}, ${formatSeconds(passed())}`);
    }
  } catch (error) {
    if (command && (signal.aborted || error instanceof CliError)) await ssm.cancel(command).catch(() => {});
    signal.throwIfAborted();
    throw notReached(error, instanceId, stack) ?? toCliError(error, doing);
  }
}

const AGENT = "Its Systems Manager agent must be running and have access to AWS.";
const agentFix = (stack: string) =>
  `${commandFor(stack, "doctor")}, or ${commandFor(stack, "stop")}, then ${commandFor(stack, "start")}`;

/** AWS returns InvalidInstanceId for every host whose agent is not connected. */
function notReached(error: unknown, instanceId: string, stack: string): CliError | undefined {
  if (!(error instanceof Error) || error.name !== "InvalidInstanceId") return undefined;
  return new CliError({ message: `${instanceId} is unreachable. ${AGENT}`, fix: agentFix(stack) });
}

function noResult({ stack, doing, instanceId }: HostRun, { status, detail, stderr }: Invocation): CliError {
  const message = `${doing} on ${instanceId} failed (${status}: ${lastLine(stderr) || detail || status}).`;
  return new CliError({ message, fix: commandFor(stack, "logs") });
}
