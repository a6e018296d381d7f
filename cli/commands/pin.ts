import type { Command } from "commander";
import { type CommonOptions, openContext, print } from "../core/context.ts";
import { requireAws } from "./aws-only.ts";

const EXAMPLES = `
Examples:
  imagegen pin --stack aws-volume              writes the host's own machine image into the config: nothing changes
  imagegen pin --refresh --stack aws-volume    writes the newest one; the next up replaces the host, never the volume`;

export function addPin(program: Command, signal: AbortSignal): void {
  program
    .command("pin")
    .description("AWS: write the machine image (AMI) into the stack's config")
    .option("--refresh", "the newest one of its kind")
    .addHelpText("after", EXAMPLES)
    .action(async (_options: unknown, command: Command) => {
      const options = command.optsWithGlobals<CommonOptions & { refresh?: boolean }>();
      const context = openContext(options, signal);
      requireAws(context, "pin");
      const { pinAmi, describePinned } = await import("../targets/aws/operations/pin.ts");
      print(context, await pinAmi(context, options), (pinned) => describePinned(pinned, context.files.name));
    });
}
