import type { Command } from "commander";
import { commandFor } from "../../core/command-line.ts";
import { confirm } from "../../core/confirm.ts";
import { action, type Context, print } from "../../core/context.ts";
import { CliError, EXIT } from "../../core/exit.ts";
import { withStackLock } from "../../core/stack-lock.ts";
import { execJson } from "../../service/image-gen.ts";
import { selectTarget } from "../../targets/select.ts";
import { modelId, revision as revisionName } from "./options.ts";
import { atRevision, freedLine, nameOf, type Removal, removalLines } from "./removal.ts";

interface Options {
  readonly model?: string;
  readonly revision?: string;
  readonly yes?: boolean;
  readonly dryRun?: boolean;
  readonly restart?: boolean;
  readonly orphans?: boolean;
  readonly force?: boolean;
}

/** What `cache clear --json` prints. */
export interface ClearResult extends Removal {
  readonly dryRun: boolean;
  readonly restarted: boolean;
}

const HELP = `
Examples:
  imagegen cache clear --dry-run                 what would be deleted
  imagegen cache clear --model runwayml/stable-diffusion-v1-5
  imagegen cache clear --model <id> --revision <commit>   one revision, and what no other one uses
  imagegen cache clear --orphans                 only files that no model uses
  imagegen cache clear --yes --restart           delete all, and let the service download its model again`;

export function addClear(cache: Command, signal: AbortSignal): void {
  cache
    .command("clear")
    .description("delete models, or one revision, from the cache; prints what will be deleted and asks first")
    .option("--model <id>", "only this model (default: all)", modelId("--model"))
    .option("--revision <revision>", "only this commit, branch or tag of --model", revisionName("--revision"))
    .option("--orphans", "only files that no model uses")
    .option("--force", "also a model that a service is using")
    .option("-n, --dry-run", "only print what would be deleted")
    .option("-y, --yes", "do not ask")
    .option("--restart", "restart the service afterwards, which then downloads its model again")
    .addHelpText("after", HELP)
    .action(
      action<Options, []>(signal, async (context, options) => {
        const work = () => clear(context, options);
        const { paths, files } = context;
        const done = await (options.restart ? withStackLock(paths, files.name, "cache clear --restart", work) : work());
        print(context, done, (result) => describeClear(result, context.files.name));
      }),
    );
}

async function clear(context: Context, options: Options): Promise<ClearResult> {
  const target = await selectTarget(context);
  const command = clearArguments(options);
  const preview = await execJson<Removal>(target, [...command, "--dry-run"], [EXIT.ok, EXIT.notConfirmed]);
  if (options.dryRun || preview.removed.length === 0)
    return { ...preview, dryRun: options.dryRun === true, restarted: false };
  const inUse = preview.removed.filter((model) => model.in_use).map(({ id, revision }) => atRevision(id, revision));
  // A service that is restarted right afterwards loses nothing that it would not download again.
  const force = options.force === true || options.restart === true;
  if (inUse.length > 0 && !force) {
    const message = `${inUse.join(", ")} is in use, so nothing was deleted.`;
    const fix = `${commandFor(context.files.name, "down")} first, or add --restart or --force`;
    throw new CliError({ message, fix }, EXIT.notConfirmed);
  }
  const what = preview.removed.map(nameOf).join(", ");
  await confirm(`This deletes ${what}.`, { yes: options.yes, signal: context.signal });
  const done = await execJson<Removal>(target, [...command, "--yes", ...(force ? ["--force"] : [])]);
  const restarted = options.restart === true && (await target.restart({ wait: false })) !== undefined;
  return { ...done, dryRun: false, restarted };
}

/** The arguments of `image-gen`. */
export function clearArguments({ model, revision, orphans }: Options): string[] {
  if (revision && !model)
    throw new CliError({ message: "--revision is one of a model", fix: "add --model <id>" }, EXIT.usage);
  if (orphans && model) throw new CliError("--orphans applies to every model: leave out --model.", EXIT.usage);
  if (orphans) return ["clear", "--orphans"];
  return ["clear", ...(model ? ["--model", model] : ["--all"]), ...(revision ? ["--revision", revision] : [])];
}

export function describeClear(result: ClearResult, stack: string): string {
  const { removed, dryRun, restarted } = result;
  if (removed.length === 0) return "There is nothing to delete.";
  const lines = [...removalLines(result, dryRun), `${freedLine(result, dryRun)}.`];
  if (restarted) lines.push(`The service was restarted and downloads its model again: ${commandFor(stack, "status")}`);
  return lines.join("\n");
}
