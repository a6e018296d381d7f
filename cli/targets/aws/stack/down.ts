import { commandFor, notRunning } from "../../../core/command-line.ts";
import { confirm } from "../../../core/confirm.ts";
import type { Context } from "../../../core/context.ts";
import { CliError, EXIT } from "../../../core/exit.ts";
import { destroyStack } from "../../../stack/automation-stack.ts";
import { findPulumi } from "../../../toolchain/pulumi.ts";
import type { DownOptions, DownResult } from "../../target.ts";
import { parseOutputs, readOutputs } from "./outputs.ts";

/** Destroys what the stack has in AWS; the config (`onDestroy`) decides what happens to the volume. */
export async function downInAws(context: Context, { deleteCache, yes }: DownOptions): Promise<DownResult> {
  const { paths, files, signal } = context;
  if (deleteCache) {
    const message = "--delete-cache: expected the stack's config to decide that in AWS.";
    const fix = `${commandFor(files.name, "up --config onDestroy=delete")}, then ${commandFor(files.name, "down")}`;
    throw new CliError({ message, fix }, EXIT.usage);
  }
  const { onDestroy } = files.settings("aws");
  const tools = await findPulumi(paths);
  if (!tools.ok) throw new CliError(tools.reason, EXIT.missingPrerequisite);
  await confirm(`This removes the host of ${files.name} and all that belongs to it.`, { yes, signal });
  const { volumeId } = parseOutputs(files.name, (await readOutputs(context)) ?? {});
  files.write({});
  if (!(await destroyStack(context, tools.root)))
    throw notRunning(files.name, `Nothing runs for the stack ${files.name}.`);
  const place = `the volume ${volumeId}${onDestroy === "snapshot" ? " (a last snapshot is kept)" : ""}`;
  const cache = volumeId === null ? [] : [{ place, kept: onDestroy === "retain" }];
  return { stack: files.name, stopped: ["aws"], cache };
}
