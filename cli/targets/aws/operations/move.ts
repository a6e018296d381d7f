import { commandFor } from "../../../core/command-line.ts";
import type { Host, Snapshot } from "../client/ec2-models.ts";

/** What a move is planned from, gathered again at each start, so that an interrupted move resumes. */
export interface MoveFacts {
  readonly zone: string;
  /** The volume's present zone; null: there is no volume. */
  readonly from: string | null;
  readonly volumeId: string | null;
  /** The snapshot that the volume was made from. */
  readonly madeFrom: string | null;
  readonly generation: number;
  /** Of the stack's config. */
  readonly configured: { readonly zone: string | null; readonly snapshotId: string | null };
  readonly host: Pick<Host, "id" | "state" | "reason"> | null;
  /** Snapshots of this volume, made for a move to this zone, the latest first. */
  readonly snapshots: readonly Snapshot[];
  /** A snapshot that the user named instead. */
  readonly given: string | null;
}

export type MoveStep =
  | { readonly do: "stop"; readonly host: string }
  | { readonly do: "snapshot"; readonly volume: string; readonly tags: Readonly<Record<string, string>> }
  | { readonly do: "wait"; readonly snapshot: string }
  | { readonly do: "config"; readonly generation: number; readonly snapshot: string | null }
  | { readonly do: "up" };

/** Marks a snapshot as made for a move, so that a resumed move finds it. */
export function moveTags(volumeId: string, zone: string): Record<string, string> {
  return { "imagegen:move-from": volumeId, "imagegen:move-to": zone };
}

/** The steps left, in order; none when the volume is there. Pure. */
export function planMove(facts: MoveFacts): MoveStep[] {
  const { zone, from, volumeId, madeFrom, generation, configured, host, given } = facts;
  if (from === zone && (given === null || given === madeFrom)) return [];
  // The config is written already: only `up` is left.
  const written = configured.zone === zone && configured.snapshotId !== null;
  if (written && (given ?? configured.snapshotId) === configured.snapshotId) return [{ do: "up" }];
  const stop: MoveStep[] = host && host.state !== "stopped" ? [{ do: "stop", host: host.id }] : [];
  const last: MoveStep[] = [{ do: "up" }];
  if (given !== null) return [...stop, { do: "config", generation: generation + 1, snapshot: given }, ...last];
  if (volumeId === null) return [{ do: "config", generation, snapshot: null }, ...last];
  const made = stop.length === 0 ? facts.snapshots.find((snapshot) => isCurrent(snapshot, host)) : undefined;
  const snapshot: MoveStep[] = made
    ? made.state === "completed"
      ? []
      : [{ do: "wait", snapshot: made.id }]
    : [{ do: "snapshot", volume: volumeId, tags: moveTags(volumeId, zone) }];
  return [...stop, ...snapshot, { do: "config", generation: generation + 1, snapshot: made?.id ?? null }, ...last];
}

/** Made after the host was stopped for the last time: nothing was written since. */
function isCurrent({ state, startedAt }: Snapshot, host: MoveFacts["host"]): boolean {
  if (state === "error") return false;
  if (!host) return true;
  const stopped = /\((\d{4}-\d\d-\d\d) (\d\d:\d\d:\d\d) \w+\)/.exec(host.reason);
  return stopped !== null && Date.parse(startedAt) >= Date.parse(`${stopped[1]}T${stopped[2]}Z`);
}

/** A step for --dry-run and for progress. */
export function describeStep(step: MoveStep, facts: Pick<MoveFacts, "zone" | "volumeId">, stack: string): string {
  switch (step.do) {
    case "stop":
      return `stop the host ${step.host}, so that the filesystem is consistent`;
    case "snapshot":
      return `make a snapshot of ${step.volume}`;
    case "wait":
      return `wait for the snapshot ${step.snapshot}`;
    case "config":
      return `write availabilityZone=${facts.zone}${step.generation > 1 ? `, volumeGeneration=${step.generation} and the snapshot` : ""} into the stack's config`;
    case "up":
      return `${commandFor(stack, "up")}: a new volume and a new host in ${facts.zone}${facts.volumeId ? `; ${facts.volumeId} is kept` : ""}`;
  }
}
