import { type Command, Option } from "commander";
import { action } from "../core/context.ts";
import { wholeNumber } from "../core/options.ts";
import { selectTarget } from "../targets/select.ts";
import { requireHosts } from "./host.ts";

const HELP = `
Examples:
  imagegen logs -f                            the service's log, and each new line
  imagegen logs -n 20                         its last 20 lines
  imagegen logs --host --stack aws-volume     the host's own lines (units, Docker, kernel)
  imagegen logs --json                        one JSON object per line: {"line": "…"}

On AWS the lines of the container and of the host (which begin with [host]) are in the order of time. A host that has never sent any is shown by its
console, as far as EC2 has it. Each line of a fleet begins with its host: [i-…] of the container, [i-… host] of the host, [gateway …] of
a task of the gateway.`;

interface Options {
  readonly follow?: boolean;
  readonly lines: number;
  readonly container?: boolean;
  readonly host?: boolean;
}

export function addLogs(program: Command, signal: AbortSignal): void {
  program
    .command("logs")
    .description("the service's log; on AWS, the host's too")
    .option("-f, --follow", "print new lines until Ctrl-C")
    .option("-n, --lines <count>", "how many of the last lines", wholeNumber("--lines"), 200)
    .addOption(new Option("--container", "AWS: only what the container wrote").conflicts("host"))
    .addOption(new Option("--host", "AWS: only what the host's units, Docker and the kernel wrote"))
    .addHelpText("after", HELP)
    .action(
      action<Options, []>(signal, async (context, { lines, follow = false, container, host }) => {
        if (host) await requireHosts(context, "logs");
        const from = host ? "host" : container ? "container" : null;
        const out = (text: string) => void process.stdout.write(text);
        const objects = jsonLines(out);
        await (await selectTarget(context)).logs({ lines, follow, from, write: context.json ? objects.write : out });
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
