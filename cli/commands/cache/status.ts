import type { Command } from "commander";
import { formatBytes } from "../../../infra/units.ts";
import { type CommonOptions, openContext, print } from "../../core/context.ts";
import { askImageGen } from "../../service/image-gen.ts";

/** What `image-gen status --json` prints. */
export interface CacheStatus {
  readonly hf_home: string;
  readonly hub_cache: string;
  readonly mount: {
    readonly path: string;
    readonly is_mount: boolean;
    readonly filesystem: string;
    readonly bytes_total: number;
    readonly bytes_free: number;
  };
  readonly models: readonly CachedModel[];
  readonly bytes: number;
}

interface CachedModel {
  readonly id: string;
  readonly revision: string | null;
  readonly bytes: number;
  readonly files: number;
  readonly complete: boolean;
  readonly source: string;
  readonly missing?: readonly string[];
  /** ISO times; null: never. An image older than this checkout does not tell them. */
  readonly verified_at?: string | null;
  readonly last_used?: string | null;
  readonly in_use?: boolean;
}

const EXAMPLES = `
Examples:
  imagegen cache status          which models are there, how big, complete or not, and where they are kept`;

export function addCacheStatus(cache: Command, signal: AbortSignal): void {
  cache
    .command("status")
    .description("which models are in the cache, and where it is")
    .addHelpText("after", EXAMPLES)
    .action(async (_options: unknown, command: Command) => {
      const context = openContext(command.optsWithGlobals<CommonOptions>(), signal);
      print(context, await askImageGen<CacheStatus>(context, ["status"]), describeCache);
    });
}

/** The cache as lines for people: where it is, then a model a line. */
export function describeCache({ hub_cache, mount, models, bytes }: CacheStatus): string {
  const free = `${formatBytes(mount.bytes_free)} free`;
  const lines = [
    `${hub_cache}: ${formatBytes(bytes)} in ${models.length} model${models.length === 1 ? "" : "s"}, ${free}`,
  ];
  for (const model of models) {
    const state = model.complete ? "complete" : `incomplete, ${model.missing?.length ?? "some"} files missing`;
    const revision = model.revision ? ` at ${model.revision.slice(0, 12)}` : "";
    lines.push(`  ${model.id}${revision}  ${formatBytes(model.bytes)}  ${state} (${model.source})${care(model)}`);
  }
  return lines.join("\n");
}

/** When a model was verified and used, as far as that is told. */
function care({ verified_at, last_used, in_use }: CachedModel): string {
  if (verified_at === undefined) return "";
  const day = (time: string | null | undefined) => (time ? time.slice(0, 10) : "never");
  return `, verified ${day(verified_at)}, ${in_use ? "in use" : `used ${day(last_used)}`}`;
}
