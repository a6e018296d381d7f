import type { Command } from "commander";
import { formatBytes } from "../../../infra/units.ts";
import { confirm } from "../../confirm.ts";
import { type CommonOptions, type Context, openContext, print } from "../../context.ts";
import { EXIT } from "../../exit.ts";
import { askImageGen } from "../../image-gen.ts";
import { restartService } from "../../restart.ts";

interface ClearOptions extends CommonOptions {
  readonly model?: string;
  readonly yes?: boolean;
  readonly dryRun?: boolean;
  readonly restart?: boolean;
}

interface Removal {
  readonly removed: readonly { readonly id: string; readonly bytes: number }[];
  readonly bytes: number;
}

interface ClearResult extends Removal {
  readonly dryRun: boolean;
  readonly restarted: boolean;
}

const EXAMPLES = `
Examples:
  imagegen cache clear --dry-run                 what would go
  imagegen cache clear --model runwayml/stable-diffusion-v1-5
  imagegen cache clear --yes --restart           clear all, and let the service fetch its model again`;

export function addClear(cache: Command, signal: AbortSignal): void {
  cache
    .command("clear")
    .description("delete models from the cache; shows what goes and asks first")
    .option("--model <id>", "only this model (default: all)")
    .option("-n, --dry-run", "only show what would go")
    .option("-y, --yes", "do not ask")
    .option("--restart", "restart the service afterwards, which then fetches its model again")
    .addHelpText("after", EXAMPLES)
    .action(async (_options: unknown, command: Command) => {
      const options = command.optsWithGlobals<ClearOptions>();
      const context = openContext(options, signal);
      print(context, await clear(context, options), describe);
    });
}

async function clear(context: Context, options: ClearOptions): Promise<ClearResult> {
  const which = ["clear", ...(options.model ? ["--model", options.model] : ["--all"])];
  const going = await askImageGen<Removal>(context, [...which, "--dry-run"], [EXIT.ok, EXIT.refused]);
  if (options.dryRun || going.removed.length === 0) {
    return { ...going, dryRun: options.dryRun === true, restarted: false };
  }
  const list = going.removed.map(({ id, bytes }) => `${id} (${formatBytes(bytes)})`).join(", ");
  await confirm(`This deletes ${list}.`, { yes: options.yes, signal: context.signal });
  const gone = await askImageGen<Removal>(context, [...which, "--yes"]);
  const restarted = options.restart === true && (await restartService(context));
  return { ...gone, dryRun: false, restarted };
}

function describe({ removed, bytes, dryRun, restarted }: ClearResult): string {
  if (removed.length === 0) return "There is nothing to delete.";
  const lines = removed.map(
    (model) => `${dryRun ? "would delete" : "deleted"} ${model.id} (${formatBytes(model.bytes)})`,
  );
  lines.push(`${dryRun ? "Would free" : "Freed"} ${formatBytes(bytes)}.`);
  if (restarted) lines.push("The service was restarted and fetches its model again: imagegen status");
  return lines.join("\n");
}
