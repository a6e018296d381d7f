import type { Command } from "commander";
import { formatBytes } from "../../../infra/units.ts";
import { action, print } from "../../core/context.ts";
import { type CachedModel, type CacheStatus, execJson } from "../../service/image-gen.ts";
import { selectTarget } from "../../targets/select.ts";

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
        print(context, await execJson<CacheStatus>(await selectTarget(context), ["status"]), describeCache);
      }),
    );
}

/** The cache as lines for people: where it is, then a model a line. */
export function describeCache({ hub_cache, mount, models, bytes, host_cache }: CacheStatus): string {
  const free = `${formatBytes(mount.bytes_free)} free`;
  const lines = [
    `${hub_cache}: ${formatBytes(bytes)} in ${models.length} model${models.length === 1 ? "" : "s"}, ${free}`,
  ];
  for (const model of models) {
    const state = model.complete ? "complete" : `incomplete, ${model.missing?.length ?? "some"} files missing`;
    const revision = model.revision ? ` at ${model.revision.slice(0, 12)}` : "";
    const suffix = `${partialSuffix(model)}${usageSuffix(model)}`;
    lines.push(`  ${model.id}${revision}  ${formatBytes(model.bytes)}  ${state} (${model.source})${suffix}`);
  }
  if (host_cache) lines.push(host_cache.problem ?? `${host_cache.path}, which is only read:`);
  for (const { id, bytes: size, complete } of host_cache?.models ?? [])
    lines.push(`  ${id}  ${formatBytes(size)}  ${complete ? "complete" : "incomplete"} (host)`);
  return lines.join("\n");
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
