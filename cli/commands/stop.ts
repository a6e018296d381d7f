import type { Command } from "commander";
import { commandFor } from "../core/command-line.ts";
import { action, print } from "../core/context.ts";
import { requireHost } from "./host-operations.ts";

const HELP = `
Examples:
  imagegen stop --stack aws-volume     stops the instance; its volume, and so the model, is kept`;

export function addStop(program: Command, signal: AbortSignal): void {
  program
    .command("stop")
    .description("AWS: stop the instance. Only its disks are billed while it is stopped")
    .addHelpText("after", HELP)
    .action(
      action(signal, async (context) => {
        const stopped = await (await requireHost(context, "down")).stop();
        print(context, stopped, ({ host }) => `${host} is stopped: ${commandFor(context.files.name, "start")}`);
      }),
    );
}
