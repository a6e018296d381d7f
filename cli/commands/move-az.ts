import type { Command } from "commander";
import { confirm } from "../core/confirm.ts";
import { type CommonOptions, openContext, print } from "../core/context.ts";
import { CliError, EXIT } from "../core/exit.ts";
import type { MoveOptions } from "../targets/aws/operations/move-az.ts";
import { requireAws } from "./aws-only.ts";

interface Options extends CommonOptions, MoveOptions {
  readonly yes?: boolean;
}

const EXAMPLES = `
Examples:
  imagegen move-az us-east-1c --stack aws-volume --dry-run     the steps, and nothing else
  imagegen move-az us-east-1c --stack aws-volume               the cache as it is, in another zone; the old volume is kept
  imagegen move-az us-east-1a --snapshot snap-0123 --stack aws-volume     a volume made from that snapshot instead

A move that breaks off goes on where it was when it is started again.`;

export function addMoveAz(program: Command, signal: AbortSignal): void {
  program
    .command("move-az")
    .description("AWS: move the host and its cache to another availability zone, by a snapshot of the volume")
    .argument("<zone>", "where to, such as us-east-1c")
    .option("-n, --dry-run", "only show the steps")
    .option("--subnet <id>", "the subnet there, for stacks in a network of your own")
    .option("--snapshot <id>", "the new volume's content, instead of the present volume's")
    .option("-y, --yes", "do not ask")
    .addHelpText("after", EXAMPLES)
    .action(async (zone: string, _options: unknown, command: Command) => {
      const options = command.optsWithGlobals<Options>();
      const context = openContext(options, signal);
      requireAws(context, "move-az <zone>");
      if (!/^[a-z]{2}(-[a-z]+)+-\d[a-z]$/.test(zone))
        throw new CliError(`expected a zone such as us-east-1c, got "${zone}".`, EXIT.usage);
      const [{ moveAz }, { upInAws }] = await Promise.all([
        import("../targets/aws/operations/move-az.ts"),
        import("../targets/aws/stack/up.ts"),
      ]);
      const ask = { yes: options.yes === true || options.dryRun === true, signal };
      await confirm(
        `This stops the host of ${context.files.name} and makes it anew in ${zone}; its volume is kept.`,
        ask,
      );
      const moved = await moveAz(context, zone, options, (letGo) => upInAws(context, { startStopped: false, letGo }));
      print(context, moved, ({ steps, dryRun }) => {
        if (steps.length === 0) return `The volume is in ${zone} already.`;
        return dryRun ? steps.map((step, index) => `${index + 1}. ${step}`).join("\n") : `The service is in ${zone}.`;
      });
    });
}
