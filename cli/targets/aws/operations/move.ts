import type { AwsSettings } from "../../../../infra/config/aws/settings.ts";
import { SERVICE_PRICES } from "../../../../infra/plan/prices/service-prices.ts";
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
  /** The generation of that volume; null: there is none, or it is not the stack's own. */
  readonly volumeGeneration: number | null;
  /** No host ever mounted it: there is nothing to copy. */
  readonly unused: boolean;
  /** The generation in the stack's config. */
  readonly generation: number;
  /** Whether the stack has a subnet of that generation in another zone: the new one needs addresses of its own. */
  readonly subnetElsewhere: boolean;
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
  | {
      readonly do: "config";
      readonly generation: number;
      /** Null: the one of the step before, if the new volume is a copy. */
      readonly snapshot: string | null;
      readonly copy: boolean;
    }
  | { readonly do: "up" };

/** Marks a snapshot as made for a move, so that a resumed move finds it. */
export function moveTags(volumeId: string, zone: string): Record<string, string> {
  return { "imagegen:move-from": volumeId, "imagegen:move-to": zone };
}

/** The steps left, in order; none when the volume and a host are there. Pure. */
export function planMove(facts: MoveFacts): MoveStep[] {
  const { zone, from, volumeId, madeFrom, generation, host, given } = facts;
  const last: MoveStep[] = [{ do: "up" }];
  if (from === zone && (given === null || given === madeFrom)) return host ? [] : last;
  if (isWritten(facts)) return last;
  const stop: MoveStep[] = host && host.state !== "stopped" ? [{ do: "stop", host: host.id }] : [];
  const config = (step: { generation: number; snapshot: string | null; copy: boolean }) =>
    [{ do: "config", ...step }, ...last] as const;
  if (given !== null) return [...stop, ...config({ generation: generation + 1, snapshot: given, copy: true })];
  const blank = { snapshot: null, copy: false };
  if (volumeId === null)
    return [...config({ generation: facts.subnetElsewhere ? generation + 1 : generation, ...blank })];
  if (facts.unused) return [...config({ generation: generation + 1, ...blank })];
  const made = stop.length === 0 ? facts.snapshots.find((snapshot) => isCurrent(snapshot, host)) : undefined;
  const snapshot: MoveStep[] = made
    ? made.state === "completed"
      ? []
      : [{ do: "wait", snapshot: made.id }]
    : [{ do: "snapshot", volume: volumeId, tags: moveTags(volumeId, zone) }];
  return [...stop, ...snapshot, ...config({ generation: generation + 1, snapshot: made?.id ?? null, copy: true })];
}

/** Whether the config names the move's goal already, so that only `up` is left. */
function isWritten({ zone, volumeId, volumeGeneration, unused, generation, configured, given, ...facts }: MoveFacts) {
  if (configured.zone !== zone) return false;
  if (volumeId === null) return given === null ? !facts.subnetElsewhere : given === configured.snapshotId;
  // Zone and snapshot may be there by hand, and `up` makes a volume of another generation alone. An existing volume has none.
  if (generation <= (volumeGeneration ?? (unused ? generation : 0))) return false;
  if (given !== null) return given === configured.snapshotId;
  return unused || configured.snapshotId !== null;
}

/** Made after the host was stopped for the last time: nothing was written since. */
function isCurrent({ state, startedAt }: Snapshot, host: MoveFacts["host"]): boolean {
  if (state === "error") return false;
  if (!host) return true;
  const stopped = /\((\d{4}-\d\d-\d\d) (\d\d:\d\d:\d\d) \w+\)/.exec(host.reason);
  return stopped !== null && Date.parse(startedAt) >= Date.parse(`${stopped[1]}T${stopped[2]}Z`);
}

/** Keys of the volume's source; "" stands for a blank one. A rate is only for a volume from a snapshot. */
export function snapshotValues(
  { volumeSnapshotId, volumeInitializationRate }: Pick<AwsSettings, "volumeSnapshotId" | "volumeInitializationRate">,
  source: string,
  rate: number | undefined,
): Record<string, string> {
  const before = volumeInitializationRate ?? 0;
  const wanted = source === "" ? 0 : (rate ?? before);
  return {
    ...(source === (volumeSnapshotId ?? "") ? {} : { volumeSnapshotId: source }),
    ...(wanted === before ? {} : { volumeInitializationRate: String(wanted) }),
  };
}

/** A step for --dry-run and for progress. */
export function describeStep(
  step: MoveStep,
  facts: Pick<MoveFacts, "zone" | "from" | "volumeId" | "unused">,
  stack: string,
  rate?: number,
): string {
  const filled =
    rate === undefined ? "" : `, filled at ${rate} MiB/s for ${SERVICE_PRICES.initializationGib} USD a GiB at most`;
  switch (step.do) {
    case "stop":
      return `stop the host ${step.host}, so that the filesystem is consistent`;
    case "snapshot":
      return `make a snapshot of ${step.volume}`;
    case "wait":
      return `wait for the snapshot ${step.snapshot}`;
    case "config":
      return `write availabilityZone=${facts.zone}${step.generation > 1 ? `, volumeGeneration=${step.generation}${step.copy ? ` and the snapshot${filled}` : ""}` : ""} into the stack's config`;
    case "up":
      return `${commandFor(stack, "up")}: ${describeUp(facts)}`;
  }
}

function describeUp({ zone, from, volumeId, unused }: Pick<MoveFacts, "zone" | "from" | "volumeId" | "unused">) {
  const made = `a new volume and a new host in ${zone}`;
  if (volumeId === null) return made;
  if (from === zone && unused) return `a host in ${zone} for ${volumeId}`;
  return unused
    ? `${made}; ${volumeId}, which no host ever mounted, is deleted if it is blank`
    : `${made}; ${volumeId} is kept`;
}
