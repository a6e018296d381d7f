import { describe, expect, test } from "vitest";
import type { Snapshot } from "../../../../cli/targets/aws/client/ec2-models.ts";
import { describeStep, type MoveFacts, planMove, snapshotValues } from "../../../../cli/targets/aws/operations/move.ts";

const stopped = { id: "i-1", state: "stopped", reason: "User initiated (2026-11-22 12:00:00 GMT)" };
const running = { id: "i-1", state: "running", reason: "" };
const snapshot = (changes: Partial<Snapshot> = {}): Snapshot => ({
  id: "snap-1",
  volumeId: "vol-1",
  state: "completed",
  progress: 1,
  startedAt: "2026-11-22T12:05:00.000Z",
  fullBytes: null,
  ...changes,
});
const facts: MoveFacts = {
  zone: "us-east-1c",
  from: "us-east-1a",
  volumeId: "vol-1",
  madeFrom: null,
  volumeGeneration: 1,
  unused: false,
  generation: 1,
  subnetElsewhere: false,
  configured: { zone: null, snapshotId: null },
  host: running,
  snapshots: [],
  given: null,
};
const NOTHING = { from: null, volumeId: null, volumeGeneration: null, host: null };
const UNUSED = { unused: true, host: null };
const short = (changes: Partial<MoveFacts>) =>
  planMove({ ...facts, ...changes }).map((step) => {
    if (step.do === "config") return `config ${step.generation} ${step.snapshot}`;
    return step.do === "wait" ? `wait ${step.snapshot}` : step.do;
  });

describe("planMove", () => {
  test.each<[string, Partial<MoveFacts>, string[]]>([
    ["from the beginning", {}, ["stop", "snapshot", "config 2 null", "up"]],
    ["of a stopped host", { host: stopped }, ["snapshot", "config 2 null", "up"]],
    [
      "interrupted while the snapshot was made",
      { host: stopped, snapshots: [snapshot({ state: "pending" })] },
      ["wait snap-1", "config 2 snap-1", "up"],
    ],
    ["interrupted after the snapshot", { host: stopped, snapshots: [snapshot()] }, ["config 2 snap-1", "up"]],
    [
      "with a snapshot from before the host was stopped",
      { host: stopped, snapshots: [snapshot({ startedAt: "2026-11-22T11:59:00.000Z" })] },
      ["snapshot", "config 2 null", "up"],
    ],
    [
      "with a snapshot that failed",
      { host: stopped, snapshots: [snapshot({ state: "error" })] },
      ["snapshot", "config 2 null", "up"],
    ],
    [
      "when the host was started again meanwhile",
      { snapshots: [snapshot()] },
      ["stop", "snapshot", "config 2 null", "up"],
    ],
    [
      "interrupted after the config was written",
      { host: stopped, generation: 2, configured: { zone: "us-east-1c", snapshotId: "snap-1" } },
      ["up"],
    ],
    [
      "when all is done",
      {
        from: "us-east-1c",
        madeFrom: "snap-1",
        generation: 2,
        configured: { zone: "us-east-1c", snapshotId: "snap-1" },
      },
      [],
    ],
    [
      "on to a third zone",
      { from: "us-east-1b", generation: 2, configured: { zone: "us-east-1b", snapshotId: "snap-0" }, host: stopped },
      ["snapshot", "config 3 null", "up"],
    ],
    ["without a volume", { ...NOTHING }, ["config 1 null", "up"]],
    ["without a volume, beside a subnet", { ...NOTHING, subnetElsewhere: true }, ["config 2 null", "up"]],
    [
      "without a volume, interrupted",
      { ...NOTHING, generation: 2, configured: { zone: "us-east-1c", snapshotId: null } },
      ["up"],
    ],
    ["of a volume that no host ever mounted", UNUSED, ["config 2 null", "up"]],
    [
      "of such a volume, interrupted before the new one was made",
      { ...UNUSED, generation: 2, configured: { zone: "us-east-1c", snapshotId: null } },
      ["up"],
    ],
    [
      "of such a volume, interrupted before the host was launched",
      { ...UNUSED, from: "us-east-1c", volumeId: "vol-2", volumeGeneration: 2, generation: 2 },
      ["up"],
    ],
    [
      "of such a volume to the zone that is configured, where it is not",
      { ...UNUSED, configured: { zone: "us-east-1c", snapshotId: null } },
      ["config 2 null", "up"],
    ],
    ["to its own zone, where it has no host", { from: "us-east-1c", host: null }, ["up"]],
    ["to a snapshot in the same zone", { zone: "us-east-1a", given: "snap-9" }, ["stop", "config 2 snap-9", "up"]],
    [
      "to a snapshot, interrupted",
      { zone: "us-east-1a", given: "snap-9", generation: 2, configured: { zone: "us-east-1a", snapshotId: "snap-9" } },
      ["up"],
    ],
    [
      "to a zone that was written into the config by hand, of a volume from a snapshot",
      { host: stopped, configured: { zone: "us-east-1c", snapshotId: "snap-0" } },
      ["snapshot", "config 2 null", "up"],
    ],
    [
      "to a snapshot that was written into the config by hand",
      { zone: "us-east-1a", given: "snap-9", configured: { zone: "us-east-1a", snapshotId: "snap-9" } },
      ["stop", "config 2 snap-9", "up"],
    ],
    [
      "of an existing volume, interrupted after the config was written",
      {
        volumeGeneration: null,
        host: stopped,
        generation: 2,
        configured: { zone: "us-east-1c", snapshotId: "snap-1" },
      },
      ["up"],
    ],
    ["to a snapshot, done", { zone: "us-east-1a", given: "snap-9", madeFrom: "snap-9" }, []],
  ])("%s", (_, changes, steps) => {
    expect(short(changes)).toEqual(steps);
  });
});

test("each step is a line that names what it does", () => {
  expect(planMove(facts).map((step) => describeStep(step, facts, "prod"))).toEqual([
    "stop the host i-1, so that the filesystem is consistent",
    "make a snapshot of vol-1",
    "write availabilityZone=us-east-1c, volumeGeneration=2 and the snapshot into the stack's config",
    "imagegen up --stack prod: a new volume and a new host in us-east-1c; vol-1 is kept",
  ]);
});

test.each<[Partial<MoveFacts>, string]>([
  [UNUSED, "a new volume and a new host in us-east-1c; vol-1, which no host ever mounted, is deleted if it is blank"],
  [{ ...UNUSED, from: "us-east-1c" }, "a host in us-east-1c for vol-1"],
  [NOTHING, "a new volume and a new host in us-east-1c"],
])("with %j the last step is: %s", (changes, line) => {
  expect(describeStep({ do: "up" }, { ...facts, ...changes }, "prod")).toBe(`imagegen up --stack prod: ${line}`);
});

describe("the rate at which the new volume is filled", () => {
  const none = { volumeSnapshotId: null, volumeInitializationRate: null };
  const before = { volumeSnapshotId: "snap-0", volumeInitializationRate: 200 };

  test("is written with the snapshot, stays as it was without one of its own, and goes with a blank volume", () => {
    expect(snapshotValues(none, "snap-1", 300)).toEqual({
      volumeSnapshotId: "snap-1",
      volumeInitializationRate: "300",
    });
    expect(snapshotValues(none, "snap-1", undefined)).toEqual({ volumeSnapshotId: "snap-1" });
    expect(snapshotValues(before, "snap-1", undefined)).toEqual({ volumeSnapshotId: "snap-1" });
    expect(snapshotValues(before, "", 300)).toEqual({ volumeSnapshotId: "", volumeInitializationRate: "0" });
    expect(snapshotValues(none, "", 300)).toEqual({});
  });

  test("is said with its price before anything is done", () => {
    const step = { do: "config", generation: 2, snapshot: null, copy: true } as const;
    expect(describeStep(step, facts, "prod", 300)).toBe(
      "write availabilityZone=us-east-1c, volumeGeneration=2 and the snapshot, filled at 300 MiB/s for 0.0036 USD a GiB at most into the stack's config",
    );
  });
});
