import { formatBytes } from "../../../infra/units.ts";

/** What `clear` and `gc` of `image-gen` print as JSON. */
export interface Removal {
  readonly removed: readonly RemovedModel[];
  readonly bytes: number;
}

export interface RemovedModel {
  readonly id: string;
  readonly bytes: number;
  /** Only when one revision of the model is removed. */
  readonly revision?: string;
  /** The number of unused files that are removed instead of the model itself. */
  readonly orphans?: number;
  /** Only when a service is using the model. */
  readonly in_use?: boolean;
  /** Where the files are, and stay, of a model that is only linked into the cache. */
  readonly linked_to?: string;
}

/** "a/b (2 GB)", or how many of its files. */
export function nameOf({ id, revision, orphans, bytes, linked_to }: RemovedModel): string {
  const name = orphans ? `${orphans} unused file${orphans === 1 ? "" : "s"} of ${id}` : atRevision(id, revision);
  return `${name} (${formatBytes(bytes)}${linked_to ? `; only the link: its files stay in ${linked_to}` : ""})`;
}

/** "a/b", or "a/b at 0123456789ab". */
export function atRevision(id: string, revision?: string): string {
  return revision ? `${id} at ${revision.slice(0, 12)}` : id;
}

/** A line for each model that was, or would be, deleted. */
export function removalLines({ removed }: Removal, dryRun: boolean): string[] {
  return removed.map(
    (model) => `${dryRun ? "would delete" : "deleted"} ${nameOf(model)}${model.in_use && dryRun ? ", in use" : ""}`,
  );
}

export function freedLine({ bytes }: Removal, dryRun: boolean): string {
  return `${dryRun ? "Would free" : "Freed"} ${formatBytes(bytes)}`;
}
