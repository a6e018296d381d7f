import type { Command } from "commander";
import { formatSeconds } from "../../infra/units.ts";
import { notRunning } from "../core/command-line.ts";
import { action, print } from "../core/context.ts";
import { withStackLock } from "../core/stack-lock.ts";
import { selectTarget } from "../targets/select.ts";

const HELP = `
Examples:
  imagegen restart             the container, the process, or the service on its host in AWS; its settings stay
  imagegen restart --no-wait   returns when it was restarted, before the model is loaded`;

/** What `restart --json` prints. */
interface RestartReport {
  readonly stack: string;
  readonly mode: string;
  /** False with `--no-wait`. */
  readonly ready: boolean;
  readonly model: string | null;
  readonly seconds: number;
}

export function addRestart(program: Command, signal: AbortSignal): void {
  program
    .command("restart")
    .description("restart the running service as it is, and wait until it is ready")
    .option("--no-wait", "do not wait for the service")
    .addHelpText("after", HELP)
    .action(
      action<{ wait: boolean }, []>(signal, async (context, { wait }) => {
        const { paths, files, progress } = context;
        const target = await selectTarget(context);
        const started = performance.now();
        const done = await withStackLock(paths, files.name, "restart", () =>
          progress.busy(() => target.restart({ wait })),
        );
        if (!done) throw notRunning(files.name, `Nothing runs for the stack ${files.name}.`);
        const { ready } = done;
        const seconds = (performance.now() - started) / 1000;
        const report = {
          stack: files.name,
          mode: target.mode,
          ready: ready !== null,
          model: ready?.model ?? null,
          seconds,
        };
        print(context, report, describeRestart);
      }),
    );
}

function describeRestart({ stack, ready, model, seconds }: RestartReport): string {
  return ready ? `Ready: ${model ?? stack} (${formatSeconds(seconds)})` : `The service of ${stack} was restarted.`;
}
