import type { Command } from "commander";
import { confirm } from "../core/confirm.ts";
import { action, print } from "../core/context.ts";
import type { MoveOptions, MoveResult } from "../targets/target.ts";
import { requireHost } from "./host-operations.ts";

const HELP = `
Examples:
  imagegen move-az us-east-1c --stack aws-volume --dry-run     only print the steps
  imagegen move-az us-east-1c --stack aws-volume               copies the cache to the other zone; the old volume is kept

An interrupted move resumes when you run the command again.`;

export function addMoveAz(program: Command, signal: AbortSignal): void {
  program
    .command("move-az")
    .description("AWS: move the host and its cache to another availability zone, by a snapshot of the volume")
    .argument("<zone>", "the new zone, such as us-east-1c")
    .option("-n, --dry-run", "only print the steps")
    .option("--subnet <id>", "the subnet there, for stacks in a network of your own")
    .option("-y, --yes", "do not ask")
    .addHelpText("after", HELP)
    .action(
      action<MoveOptions & { yes?: boolean }, [string]>(signal, async (context, options, zone) => {
        const host = await requireHost(context, "up");
        const { name } = context.files;
        const yes = options.yes === true || options.dryRun === true;
        await confirm(`This replaces the host of ${name} by one in ${zone}; its volume is kept.`, { yes, signal });
        print(context, await host.moveAz(zone, options), describeMove);
      }),
    );
}

export function describeMove({ steps, dryRun, zone }: MoveResult): string {
  if (steps.length === 0) return `Nothing to do: the volume is in ${zone} already.`;
  return dryRun ? steps.map((step, index) => `${index + 1}. ${step}`).join("\n") : `The service is in ${zone}.`;
}
