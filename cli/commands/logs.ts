import type { Command } from "commander";
import { action } from "../core/context.ts";
import { wholeNumber } from "../core/options.ts";
import { selectTarget } from "../targets/select.ts";

const HELP = `
Examples:
  imagegen logs -f         the service's log, and each new line
  imagegen logs -n 20      its last 20 lines`;

export function addLogs(program: Command, signal: AbortSignal): void {
  program
    .command("logs")
    .description("the service's log")
    .option("-f, --follow", "print new lines until Ctrl-C")
    .option("-n, --lines <count>", "how many of the last lines", wholeNumber("--lines"), 200)
    .addHelpText("after", HELP)
    .action(
      action<{ follow?: boolean; lines: number }, []>(signal, async (context, { lines, follow = false }) => {
        await (await selectTarget(context)).logs({ lines, follow });
      }),
    );
}
