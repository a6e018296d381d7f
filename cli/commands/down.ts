import type { Command } from "commander";
import { action, print } from "../core/context.ts";
import { withStackLock } from "../core/stack-lock.ts";
import { selectTarget } from "../targets/select.ts";
import type { DownOptions, DownResult } from "../targets/target.ts";

const HELP = `
Examples:
  imagegen down                        stop and remove the service; the next start finds its model again
  imagegen down --delete-cache --yes   delete the downloaded models as well`;

export function addDown(program: Command, signal: AbortSignal): void {
  program
    .command("down")
    .description("stop the service and remove what up made; the cache is kept")
    .option("--delete-cache", "delete the downloaded models as well (asks first)")
    .option("-y, --yes", "do not ask")
    .addHelpText("after", HELP)
    .action(
      action<DownOptions, []>(signal, async (context, options) => {
        const { paths, files, progress } = context;
        const target = await selectTarget(context, "down");
        const done = await withStackLock(paths, files.name, "down", () => progress.busy(() => target.down(options)));
        print(context, done, describeDown);
      }),
    );
}

const REMOVED = {
  process: "the process",
  docker: "the container",
  aws: "the host in AWS and all that belongs to it",
  fleet: "all hosts in AWS and all that belongs to them",
};

export function describeDown({ stopped, cache, images = [], results = [] }: DownResult): string {
  const lines = stopped.length > 0 ? [`Removed ${stopped.map((mode) => REMOVED[mode]).join(" and ")}.`] : [];
  const kinds = [["models", cache] as const, ["images", images] as const, ["jobs and results", results] as const];
  for (const [what, places] of kinds) {
    for (const { place, kept, usdPerMonth, deleteCommand } of places) {
      const price = usdPerMonth === undefined ? "" : `, for ${usdPerMonth.toFixed(2)} USD a month${EACH[what]}`;
      const remove = deleteCommand === undefined ? "" : ` To delete it: ${deleteCommand}`;
      lines.push(`${kept ? "Kept" : "Deleted"} the ${what} in ${place}${price}.${remove}`);
    }
  }
  return lines.join("\n");
}

const EACH = {
  models: " (list price)",
  images: " for each image (list price)",
  "jobs and results": " (list price)",
};
