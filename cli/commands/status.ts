import type { Command } from "commander";
import type { ReadyState } from "../../infra/readiness/probe-result.ts";
import { describeState } from "../../infra/readiness/progress.ts";
import { formatBytes } from "../../infra/units.ts";
import { type CommonOptions, type Context, openContext, print } from "../core/context.ts";
import { CliError, EXIT } from "../core/exit.ts";
import { askImageGen } from "../service/image-gen.ts";
import { readReadyz } from "../service/readyz.ts";
import { isAws } from "../targets/aws/stack/target.ts";
import { locate } from "../targets/locate.ts";

interface StatusResult {
  readonly stack: string;
  readonly mode: "docker" | "process" | null;
  readonly running: boolean;
  readonly url: string | null;
  readonly ready: ReadyState | null;
  readonly cacheBytes: number | null;
}

const EXAMPLES = `
Examples:
  imagegen status          how the service runs, how long each phase of its start took, how big its cache is
  imagegen status --json   the same for a script; exit code 6 when nothing runs`;

export function addStatus(program: Command, signal: AbortSignal): void {
  program
    .command("status")
    .description("how the service runs, its model, its start-up phases, its cache")
    .addHelpText("after", EXAMPLES)
    .action(async (_options: unknown, command: Command) => {
      const context = openContext(command.optsWithGlobals<CommonOptions>(), signal);
      if (isAws(context)) {
        const { awsStatus, describeAwsStatus, failUnlessRunning } = await import("../targets/aws/operations/status.ts");
        const found = await awsStatus(context);
        print(context, found, describeAwsStatus);
        failUnlessRunning(found);
        return;
      }
      const result = await status(context);
      print(context, result, describeStatus);
      if (!result.running) throw new CliError("", EXIT.notRunning);
    });
}

async function status(context: Context): Promise<StatusResult> {
  const place = await locate(context);
  const running = place !== undefined && (place.mode === "process" || place.container.running);
  const ready = running ? await readReadyz(place.url, 5000, context.signal) : null;
  const cache = running ? await askImageGen<{ bytes: number }>(context, ["status"]).catch(() => null) : null;
  return {
    stack: context.files.name,
    mode: place?.mode ?? null,
    running,
    url: place?.url ?? null,
    ready,
    cacheBytes: cache?.bytes ?? null,
  };
}

/** The result as aligned lines, for people. */
export function describeStatus({ stack, mode, running, url, ready, cacheBytes }: StatusResult): string {
  if (!running) return `Nothing runs for the stack ${stack}${mode ? " (its container is stopped)" : ""}: imagegen up`;
  const rows: [string, string | null | undefined][] = [
    ["stack", `${stack} (${mode === "docker" ? "Docker" : "a process of this machine"})`],
    ["url", url],
    ["state", ready ? describeState(ready).text : "runs, but does not answer"],
    ["model", ready?.model && `${ready.model}${ready.revision ? ` at ${ready.revision.slice(0, 12)}` : ""}`],
    ["device", ready?.device],
    ["source", ready?.source],
    ["start-up", ready?.phases && describePhases(ready.phases)],
    ["cache", cacheBytes === null ? null : formatBytes(cacheBytes)],
  ];
  const shown = rows.filter(([, value]) => value);
  return shown.map(([name, value]) => `${name.padEnd(9)} ${value}`).join("\n");
}

function describePhases(phases: Readonly<Record<string, number>>): string {
  return Object.entries(phases)
    .map(([phase, seconds]) => `${phase} ${seconds.toFixed(1)} s`)
    .join(", ");
}
