import { existsSync } from "node:fs";
import { join } from "node:path";
import type { Command } from "commander";
import { execa } from "execa";
import { type CommonOptions, openContext } from "../core/context.ts";
import { CliError, EXIT } from "../core/exit.ts";
import { isAws } from "../targets/aws/stack/target.ts";
import { locate } from "../targets/locate.ts";
import { followFile, lastLines } from "../targets/process/follow-log.ts";

interface LogsOptions extends CommonOptions {
  readonly follow?: boolean;
  readonly lines: number;
}

const EXAMPLES = `
Examples:
  imagegen logs -f         the service's log, and what comes
  imagegen logs -n 20      its last 20 lines`;

export function addLogs(program: Command, signal: AbortSignal): void {
  program
    .command("logs")
    .description("the service's log")
    .option("-f, --follow", "go on until Ctrl-C")
    .option("-n, --lines <count>", "how many of the last lines", parseCount, 200)
    .addHelpText("after", EXAMPLES)
    .action(async (_options: unknown, command: Command) => {
      await logs(command.optsWithGlobals<LogsOptions>(), signal);
    });
}

async function logs(options: LogsOptions, signal: AbortSignal): Promise<void> {
  const context = openContext(options, signal);
  if (isAws(context)) {
    const { awsLogs } = await import("../targets/aws/host/tail.ts");
    await awsLogs(context, { lines: options.lines, follow: options.follow === true });
    return;
  }
  const place = await locate(context);
  if (place?.mode === "docker") {
    const args = [
      "logs",
      "--tail",
      String(options.lines),
      ...(options.follow ? ["--follow"] : []),
      place.settings.containerName,
    ];
    await execa("docker", args, { stdio: ["ignore", "inherit", "inherit"], reject: false, cancelSignal: signal });
    return;
  }
  const file = place?.record.log ?? join(context.paths.logs, `service-${options.stack}.log`);
  if (!existsSync(file))
    throw new CliError(`The stack ${options.stack} has no log: run \`imagegen up\`.`, EXIT.notRunning);
  const { text, end } = lastLines(file, options.lines);
  process.stdout.write(text);
  if (options.follow) await followFile(file, end, process.stdout, signal);
}

function parseCount(text: string): number {
  if (/^\d+$/.test(text)) return Number(text);
  throw new CliError(`--lines: expected a whole number, got "${text}".`, EXIT.usage);
}
