import type { Command } from "commander";
import { action } from "../core/context.ts";
import { wholeNumber } from "../core/options.ts";
import { selectTarget } from "../targets/select.ts";

const HELP = `
Examples:
  imagegen logs -f         the service's log, and each new line
  imagegen logs -n 20      its last 20 lines
  imagegen logs --json     one JSON object per line: {"line": "…"}`;

export function addLogs(program: Command, signal: AbortSignal): void {
  program
    .command("logs")
    .description("the service's log")
    .option("-f, --follow", "print new lines until Ctrl-C")
    .option("-n, --lines <count>", "how many of the last lines", wholeNumber("--lines"), 200)
    .addHelpText("after", HELP)
    .action(
      action<{ follow?: boolean; lines: number }, []>(signal, async (context, { lines, follow = false }) => {
        const out = (text: string) => void process.stdout.write(text);
        const objects = jsonLines(out);
        await (await selectTarget(context)).logs({ lines, follow, write: context.json ? objects.write : out });
        objects.end();
      }),
    );
}

/** What `logs --json` prints of each line. */
interface LogLine {
  readonly line: string;
}

/** Writes each whole line as a JSON object of its own; `end` what is left of the last one. */
export function jsonLines(out: (text: string) => void): { write(text: string): void; end(): void } {
  let rest = "";
  const show = (line: string) => out(`${JSON.stringify({ line } satisfies LogLine)}\n`);
  return {
    write(text) {
      const lines = (rest + text).split("\n");
      rest = lines.pop() ?? "";
      for (const line of lines) show(line);
    },
    end() {
      if (rest !== "") show(rest);
    },
  };
}
