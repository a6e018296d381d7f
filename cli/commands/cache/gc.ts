import type { Command } from "commander";
import { formatBytes } from "../../../infra/units.ts";
import { type CommonOptions, openContext, print } from "../../core/context.ts";
import { CliError, EXIT } from "../../core/exit.ts";
import { askImageGen } from "../../service/image-gen.ts";
import { nameOf, type Removal } from "./clear.ts";

interface GcOptions extends CommonOptions {
  readonly olderThan?: string;
  readonly keepFree?: string;
  readonly dryRun?: boolean;
}

/** What `image-gen gc --json` prints. */
export interface GcResult extends Removal {
  readonly dry_run: boolean;
  readonly kept: readonly { readonly id: string; readonly reason: string }[];
  readonly bytes_free: number;
  readonly target_free_bytes: number;
  readonly target_met: boolean;
}

const EXAMPLES = `
Examples:
  imagegen cache gc --older-than 30d --dry-run     which models nobody used for a month
  imagegen cache gc --keep-free 20GB               the longest unused models go, until there is so much room`;

export function addGc(cache: Command, signal: AbortSignal): void {
  cache
    .command("gc")
    .description("make room: what no model uses goes, then models that were not used for long; never one in use")
    .option("--older-than <age>", "models that were not used for so long: 30d, 12h, 4w")
    .option("--keep-free <size>", "the longest unused, until so much is free: 20GB, 500MB")
    .option("-n, --dry-run", "only show what would go")
    .addHelpText("after", EXAMPLES)
    .action(async (_options: unknown, command: Command) => {
      const options = command.optsWithGlobals<GcOptions>();
      const args = gcArguments(options);
      const context = openContext(options, signal);
      const result = await askImageGen<GcResult>(context, args, [EXIT.ok, EXIT.failed]);
      print(context, result, describeGc);
      if (!result.target_met) throw new CliError("", EXIT.failed);
    });
}

/** The arguments of `image-gen`; exactly one limit has to be named. */
export function gcArguments({ olderThan, keepFree, dryRun }: Omit<GcOptions, keyof CommonOptions>): string[] {
  if ((olderThan === undefined) === (keepFree === undefined)) {
    throw new CliError("Say either --older-than 30d or --keep-free 20GB.", EXIT.usage);
  }
  const limit = olderThan === undefined ? ["--keep-free", keepFree ?? ""] : ["--older-than", olderThan];
  return ["gc", ...limit, ...(dryRun ? ["--dry-run"] : [])];
}

/** What went and what stayed, a line each. */
export function describeGc(result: GcResult): string {
  const { removed, kept, dry_run, bytes, bytes_free, target_free_bytes, target_met } = result;
  const lines = removed.map(
    (model) => `${dry_run ? "would delete" : "deleted"} ${nameOf(model)} (${formatBytes(model.bytes)})`,
  );
  lines.push(...kept.map(({ id, reason }) => `kept ${id}: ${reason}`));
  lines.push(`${dry_run ? "Would free" : "Freed"} ${formatBytes(bytes)}; ${formatBytes(bytes_free)} free.`);
  if (!target_met) lines.push(`That is less than ${formatBytes(target_free_bytes)}, and nothing else may go.`);
  return lines.join("\n");
}
