import { formatBytes } from "../../../infra/units.ts";

/** What `clear` and `gc` of `image-gen` print as JSON. */
export interface Removal {
  readonly removed: readonly RemovedModel[];
  readonly bytes: number;
}

export interface RemovedModel {
  readonly id: string;
  readonly bytes: number;
  /** The number of unused files that are removed instead of the model itself. */
  readonly orphans?: number;
  /** Only when a service is using the model. */
  readonly in_use?: boolean;
}

/** "a/b (2 GB)", or how many of its files. */
export function nameOf({ id, orphans, bytes }: RemovedModel): string {
  const name = orphans ? `${orphans} unused file${orphans === 1 ? "" : "s"} of ${id}` : id;
  return `${name} (${formatBytes(bytes)})`;
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
