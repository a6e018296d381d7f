import type { Command } from "commander";
import { formatBytes } from "../../../infra/units.ts";
import { commandFor } from "../../core/command-line.ts";
import { action, print } from "../../core/context.ts";
import { type CachedModel, type CacheStatus, execJson } from "../../service/image-gen.ts";
import { selectTarget } from "../../targets/select.ts";
import { atRevision } from "./removal.ts";

const HELP = `
Examples:
  imagegen cache status          which models are there, how big, complete or not, and where they are`;

export function addCacheStatus(cache: Command, signal: AbortSignal): void {
  cache
    .command("status")
    .description("which models are in the cache, and where it is")
    .addHelpText("after", HELP)
    .action(
      action(signal, async (context) => {
        const status = await execJson<CacheStatus>(await selectTarget(context), ["status"]);
        print(context, status, () => describeCache(status, context.files.name));
      }),
    );
}

/** The cache as lines for people: where it is, then a model a line. */
export function describeCache(status: CacheStatus, stack: string): string {
  const { hub_cache, mount, models, bytes, host_cache, orphans = 0, bytes_orphaned = 0 } = status;
  const free = `${formatBytes(mount.bytes_free)} free`;
  const count = new Set(models.map(({ id }) => id)).size;
  const lines = [`${hub_cache}: ${formatBytes(bytes)} in ${count} model${count === 1 ? "" : "s"}, ${free}`];
  for (const model of models) {
    const name = [atRevision(model.id, model.revision ?? undefined), ...(model.refs ?? []).map((ref) => `(${ref})`)];
    const suffix = `${partialSuffix(model)}${usageSuffix(model)}`;
    lines.push(`  ${name.join(" ")}  ${sizeOf(model)}  ${stateOf(model)} (${model.source})${suffix}`);
  }
  if (orphans > 0)
    lines.push(`${orphans} orphans, ${formatBytes(bytes_orphaned)}: ${commandFor(stack, "cache clear --orphans")}`);
  if (host_cache) lines.push(host_cache.problem ?? `${host_cache.path}, which is only read:`);
  for (const { id, bytes: size, complete } of host_cache?.models ?? [])
    lines.push(`  ${id}  ${formatBytes(size)}  ${complete ? "complete" : "incomplete"} (host)`);
  return lines.join("\n");
}

function sizeOf({ bytes, bytes_shared = 0 }: CachedModel): string {
  return formatBytes(bytes) + (bytes_shared > 0 ? ` (${formatBytes(bytes_shared)} shared with other revisions)` : "");
}

function stateOf({ complete, missing, bytes_lacking = 0, unprovable = [] }: CachedModel): string {
  const lacking = bytes_lacking > 0 ? ` (${formatBytes(bytes_lacking)})` : "";
  if (!complete) return `incomplete, ${missing?.length ?? "some"} files missing${lacking}`;
  return unprovable.length > 0 ? `complete, no hash known of ${unprovable.length} files` : "complete";
}

/** What a download that is not complete takes on the disk. */
function partialSuffix({ bytes_partial = 0, bytes_set_aside = 0 }: CachedModel): string {
  const aside = bytes_set_aside > 0 ? `, ${formatBytes(bytes_set_aside)} set aside` : "";
  return bytes_partial > 0 || aside ? `, ${formatBytes(bytes_partial)} downloaded in part${aside}` : "";
}

/** When a model was verified and used. */
function usageSuffix({ verified_at, last_used, in_use }: CachedModel): string {
  if (verified_at === undefined) return "";
  const day = (time: string | null | undefined) => (time ? time.slice(0, 10) : "never");
  return `, verified ${day(verified_at)}, ${in_use ? "in use" : `used ${day(last_used)}`}`;
}
