import type { Command } from "commander";
import { confirm } from "../core/confirm.ts";
import { action, type Context, print } from "../core/context.ts";
import { CliError, EXIT } from "../core/exit.ts";
import { wholeBetween } from "../core/options.ts";
import { withStackLock } from "../core/stack-lock.ts";
import type { MoveOptions, MoveResult } from "../targets/target.ts";
import { requireHost } from "./host.ts";

const RATE =
  "fill the new volume in advance at this rate, 100 to 300, which is billed by the GiB (default: as the stack's config says)";
const rate = wholeBetween(100, 300, "200")("--rate");

const MOVE_HELP = `
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
    .option("--rate <MiB/s>", RATE, rate)
    .option("--subnet <id>", "the subnet there, for stacks in a network of your own")
    .option("-y, --yes", "do not ask")
    .addHelpText("after", MOVE_HELP)
    .action(
      action<MoveOptions & { yes?: boolean }, [string]>(signal, async (context, options, zone) => {
        const host = await requireHost(context, "up");
        const { name } = context.files;
        const yes = options.yes === true || options.dryRun === true;
        await confirm(
          `This replaces the host of ${name} by one in ${zone}; its volume is kept, unless it is blank and no host ever mounted it.`,
          { yes, signal },
        );
        const work = () => host.moveAz(zone, options);
        print(context, await lockedUnlessDryRun(context, "move-az", options, work), describeMove);
      }),
    );
}

/** An `up` during a move would start the host that was stopped for its snapshot. */
function lockedUnlessDryRun<T>(
  { paths, files }: Context,
  command: string,
  { dryRun }: MoveOptions,
  work: () => Promise<T>,
) {
  return dryRun ? work() : withStackLock(paths, files.name, command, work);
}

function describeMove({ steps, dryRun, zone }: MoveResult): string {
  if (steps.length === 0) return `Nothing to do: the volume is in ${zone} already.`;
  return dryRun ? steps.map((step, index) => `${index + 1}. ${step}`).join("\n") : `The service is in ${zone}.`;
}

interface Options extends MoveOptions {
  readonly zone?: string;
  readonly yes?: boolean;
}

const RESTORE_HELP = `
Examples:
  imagegen volume restore snap-0123 --stack aws-volume --dry-run     only print the steps
  imagegen volume restore snap-0123 --stack aws-volume               the present volume is kept

An interrupted restore resumes when you run the command again.`;

export function addVolume(program: Command, signal: AbortSignal): void {
  const volume = program.command("volume").description("AWS: the data volume");
  volume
    .command("restore")
    .description("replace the volume by one made from a snapshot; the present volume is kept")
    .argument("<snapshot>", "of this or another volume, such as snap-0123 (see cache backup --snapshot)")
    .option("--zone <zone>", "the zone of the new volume (default: the present one's)")
    .option("-n, --dry-run", "only print the steps")
    .option("--rate <MiB/s>", RATE, rate)
    .option("--subnet <id>", "the subnet in that zone, for stacks in a network of your own")
    .option("-y, --yes", "do not ask")
    .addHelpText("after", RESTORE_HELP)
    .action(
      action<Options, [string]>(signal, async (context, options, snapshot) => {
        const host = await requireHost(context, "cache restore <file>");
        if (!/^snap-[0-9a-f]+$/.test(snapshot))
          throw new CliError(`Expected a snapshot such as snap-0123, got "${snapshot}".`, EXIT.usage);
        const { name } = context.files;
        const yes = options.yes === true || options.dryRun === true;
        await confirm(`This replaces the host and the volume of ${name}; the present volume is kept.`, { yes, signal });
        const work = () => host.restoreVolume(snapshot, options);
        print(context, await lockedUnlessDryRun(context, "volume restore", options, work), describeMove);
      }),
    );
}
