import type { Command } from "commander";
import { commandFor } from "../core/command-line.ts";
import { action, print } from "../core/context.ts";
import type { PinResult } from "../targets/target.ts";
import { requireHost } from "./host-operations.ts";

const HELP = `
Examples:
  imagegen pin --stack aws-volume              writes the host's own machine image into the config: nothing changes
  imagegen pin --refresh --stack aws-volume    writes the newest one; the next up replaces the host, never the volume`;

export function addPin(program: Command, signal: AbortSignal): void {
  program
    .command("pin")
    .description("AWS: write the machine image (AMI) into the stack's config")
    .option("--refresh", "the newest one of its kind")
    .addHelpText("after", HELP)
    .action(
      action<{ refresh?: boolean }, []>(signal, async (context, options) => {
        const pinned = await (await requireHost(context, "up")).pin(options);
        print(context, pinned, (result) => describePin(result, context.files.name));
      }),
    );
}

const SOURCES = { host: "the host's own", newest: "the newest", config: "unchanged" };

function describePin({ amiId, from, before, replaces, file }: PinResult, stack: string): string {
  const lines = [`amiId=${amiId} (${SOURCES[from]}${before && before !== amiId ? `; before: ${before}` : ""})`];
  if (file) lines.push(`Written to ${file}.`);
  if (replaces) lines.push(`The next \`${commandFor(stack, "up")}\` replaces the host; the volume is kept.`);
  return lines.join("\n");
}
