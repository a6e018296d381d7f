import type { Command } from "commander";
import { formatBytes } from "../../../infra/units.ts";
import { confirm } from "../../core/confirm.ts";
import { type CommonOptions, type Context, openContext, print } from "../../core/context.ts";
import { CliError, EXIT } from "../../core/exit.ts";
import { askImageGen } from "../../service/image-gen.ts";
import { restartService } from "../../targets/restart.ts";

interface ClearOptions extends CommonOptions {
  readonly model?: string;
  readonly yes?: boolean;
  readonly dryRun?: boolean;
  readonly restart?: boolean;
  readonly orphans?: boolean;
  readonly force?: boolean;
}

/** What `image-gen clear --json` prints, and `gc` more besides. */
export interface Removal {
  readonly removed: readonly Removed[];
  readonly bytes: number;
}

interface Removed {
  readonly id: string;
  readonly bytes: number;
  /** So many files that nothing uses any more, instead of the model itself. */
  readonly orphans?: number;
  /** Only when a service is using the model. */
  readonly in_use?: boolean;
}

export interface ClearResult extends Removal {
  readonly dryRun: boolean;
  readonly restarted: boolean;
}

const EXAMPLES = `
Examples:
  imagegen cache clear --dry-run                 what would go
  imagegen cache clear --model runwayml/stable-diffusion-v1-5
  imagegen cache clear --orphans                 only what no model uses any more
  imagegen cache clear --yes --restart           clear all, and let the service fetch its model again`;

export function addClear(cache: Command, signal: AbortSignal): void {
  cache
    .command("clear")
    .description("delete models from the cache; shows what goes and asks first")
    .option("--model <id>", "only this model (default: all)")
    .option("--orphans", "only files that no model uses any more")
    .option("--force", "also a model that a service is using")
    .option("-n, --dry-run", "only show what would go")
    .option("-y, --yes", "do not ask")
    .option("--restart", "restart the service afterwards, which then fetches its model again")
    .addHelpText("after", EXAMPLES)
    .action(async (_options: unknown, command: Command) => {
      const options = command.optsWithGlobals<ClearOptions>();
      const context = openContext(options, signal);
      print(context, await clear(context, options), describeClear);
    });
}

async function clear(context: Context, options: ClearOptions): Promise<ClearResult> {
  const which = ["clear", ...chosen(options)];
  const going = await askImageGen<Removal>(context, [...which, "--dry-run"], [EXIT.ok, EXIT.refused]);
  if (options.dryRun || going.removed.length === 0) {
    return { ...going, dryRun: options.dryRun === true, restarted: false };
  }
  const served = going.removed.filter((model) => model.in_use).map(({ id }) => id);
  // A service that is restarted right afterwards loses nothing that it would not fetch again.
  const force = options.force === true || options.restart === true;
  if (served.length > 0 && !force) {
    const mend = "Fix: imagegen down first, or add --restart or --force.";
    throw new CliError(`${served.join(", ")} is being served, so nothing was deleted. ${mend}`, EXIT.refused);
  }
  const list = going.removed.map((model) => `${nameOf(model)} (${formatBytes(model.bytes)})`).join(", ");
  await confirm(`This deletes ${list}.`, { yes: options.yes, signal: context.signal });
  const gone = await askImageGen<Removal>(context, [...which, "--yes", ...(force ? ["--force"] : [])]);
  const restarted = options.restart === true && (await restartService(context));
  return { ...gone, dryRun: false, restarted };
}

function chosen({ model, orphans }: ClearOptions): string[] {
  if (orphans && model) throw new CliError("--orphans looks at every model: leave out --model.", EXIT.usage);
  if (orphans) return ["--orphans"];
  return model ? ["--model", model] : ["--all"];
}

/** A model, or what it left behind. */
export function nameOf({ id, orphans }: Removed): string {
  return orphans ? `${orphans} unused file${orphans === 1 ? "" : "s"} of ${id}` : id;
}

/** What went, or would go, a model a line. */
export function describeClear({ removed, bytes, dryRun, restarted }: ClearResult): string {
  if (removed.length === 0) return "There is nothing to delete.";
  const lines = removed.map(
    (model) =>
      `${dryRun ? "would delete" : "deleted"} ${nameOf(model)} (${formatBytes(model.bytes)})${model.in_use && dryRun ? ", in use" : ""}`,
  );
  lines.push(`${dryRun ? "Would free" : "Freed"} ${formatBytes(bytes)}.`);
  if (restarted) lines.push("The service was restarted and fetches its model again: imagegen status");
  return lines.join("\n");
}
