import type { Command } from "commander";
import { formatBytes } from "../../../infra/units.ts";
import { action, print } from "../../core/context.ts";
import { CliError, EXIT } from "../../core/exit.ts";
import { execJson } from "../../service/image-gen.ts";
import { selectTarget } from "../../targets/select.ts";
import { age, size } from "./options.ts";
import { atRevision, freedLine, type Removal, removalLines } from "./removal.ts";

interface Options {
  readonly olderThan?: string;
  readonly keepFree?: string;
  readonly dryRun?: boolean;
}

/** What `image-gen gc --json` prints. */
export interface GcResult extends Removal {
  readonly dry_run: boolean;
  readonly kept: readonly { readonly id: string; readonly revision?: string; readonly reason: string }[];
  readonly bytes_free: number;
  readonly target_free_bytes: number;
  readonly target_met: boolean;
}

const HELP = `
Examples:
  imagegen cache gc --older-than 30d --dry-run     which revisions were not used for 30 days
  imagegen cache gc --keep-free 20GB               deletes the least recently used ones until 20 GB are free`;

export function addGc(cache: Command, signal: AbortSignal): void {
  cache
    .command("gc")
    .description(
      "free disk space: delete orphaned files, then least-recently-used revisions of models. Those in use are never deleted",
    )
    .option("--older-than <age>", "models that were not used for this long: 30d, 12h, 4w", age("--older-than"))
    .option(
      "--keep-free <size>",
      "least-recently-used models, until this much is free: 20GB, 500MB",
      size("--keep-free"),
    )
    .option("-n, --dry-run", "only print what would be deleted")
    .addHelpText("after", HELP)
    .action(
      action<Options, []>(signal, async (context, options) => {
        const args = gcArguments(options);
        const result = await execJson<GcResult>(await selectTarget(context), args, [EXIT.ok, EXIT.failed]);
        print(context, result, describeGc);
        if (!result.target_met) throw new CliError("", EXIT.failed);
      }),
    );
}

/** The arguments of `image-gen`; exactly one limit has to be given. */
export function gcArguments({ olderThan, keepFree, dryRun }: Options): string[] {
  if ((olderThan === undefined) === (keepFree === undefined)) {
    throw new CliError(
      { message: "Expected either --older-than (such as 30d) or --keep-free (such as 20GB).", fix: "--keep-free 20GB" },
      EXIT.usage,
    );
  }
  const limit = olderThan === undefined ? ["--keep-free", keepFree ?? ""] : ["--older-than", olderThan];
  return ["gc", ...limit, ...(dryRun ? ["--dry-run"] : [])];
}

export function describeGc(result: GcResult): string {
  const { kept, dry_run, bytes_free, target_free_bytes, target_met } = result;
  const lines = removalLines(result, dry_run);
  lines.push(...kept.map(({ id, revision, reason }) => `kept ${atRevision(id, revision)}: ${reason}`));
  lines.push(`${freedLine(result, dry_run)}; ${formatBytes(bytes_free)} free.`);
  if (!target_met) lines.push(`That is less than ${formatBytes(target_free_bytes)}, and nothing else may be deleted.`);
  return lines.join("\n");
}
