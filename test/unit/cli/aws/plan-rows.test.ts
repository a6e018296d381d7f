import { expect, test } from "vitest";
import { alignRows } from "../../../../cli/core/context.ts";
import { awsPlanRows } from "../../../../cli/targets/aws/stack/plan-rows.ts";
import { makeAwsPlan } from "../../../../infra/plan/aws/plan.ts";
import { TABLE_PRICES, withFallback } from "../../../../infra/plan/prices/prices.ts";
import { ALB, awsPlanWith, awsSettings } from "../../../support/aws-settings.ts";
import { manifest } from "../../../support/settings.ts";

const rowsOf = (raw: Record<string, string> = {}) => alignRows(awsPlanRows(awsPlanWith(raw)), 12).split("\n");

test("a plan names the host, its disks, its access, times and what a month costs", () => {
  expect(rowsOf()).toEqual([
    "model        stabilityai/stable-diffusion-xl-base-1.0 (10 GB), on the volume",
    "host         g6.xlarge (L4), on-demand, in us-east-1; fallback: g5.xlarge, g4dn.xlarge",
    "volume       50 GiB gp3, 3000 IOPS, 125 MiB/s, to download 10 GB",
    "root disk    60 GiB, for an image of 4.63 GB at most",
    "network      a new VPC: a public address, no inbound access",
    "access       no open port; imagegen open --stack prod makes a tunnel",
    "first start  5 min 4 s, estimated, after the image is built and pushed",
    "cached       3 min 24 s on a new host: boot, pull at 80 MB/s, read at 131 MB/s",
    "model from   1 min 30 s: the volume at what EBS sustains (the longer of 15 s and 10 GB / 125 MB/s, + 10 s)",
    "             1 min 26 s: the volume at what EBS reaches for half an hour a day (the longer of 15 s and 10 GB / 131 MB/s, + 10 s)",
    "             43 s: a copy on the instance store that the mirror fills (the longer of 15 s and 10 GB / 300 MB/s, + 10 s)",
    "             1 min 50 s: one that the Hub would fill, which no start waits for (the longer of 15 s and 10 GB / 100 MB/s, + 10 s)",
    "             30 s: the copy after a reboot (the longer of 15 s and 10 GB / 500 MB/s, + 10 s)",
    "baked        5 min 29 s",
    "timeout      40 min 32 s",
    "on destroy   the volume is kept, the images are kept",
    "cost         600.41 USD a month",
    "stopped      9.26 USD a month",
    "               587.50  g6.xlarge, on-demand",
    "                 4.00  data volume, 50 GiB",
    "                 4.80  root disk, 60 GiB",
    "                 0.46  image in ECR, 4.63 GB at most",
    "                 3.65  public address",
    "             list prices of us-east-1 noted on 2026-11-22 or later, without traffic, CloudWatch metrics and logs",
    "             the instance's: us-east-1: Karpenter's price list of 2026-07-20 (Apache-2.0)",
    "pictures     0.22 USD for 1,000, for each second that one takes",
    "             none were published for the L4: npm run bench:pictures -- --device cuda",
    expect.stringContaining("             formula: seconds / 3600 × USD an hour × 1000;"),
    "             the stack's own seconds and idle share: imagegen status --stack prod",
    "             spot: 0.4104 USD an hour (51 % of the stack's), no seconds known",
    "             g5.xlarge (A10G): 2.63 USD (9.4 s), 1.006 USD an hour (125 % of the stack's)",
    "             p5.4xlarge (H100): 4.78 USD (2.5 s), 6.88 USD an hour (855 % of the stack's)",
    "             g4dn.xlarge (T4): 0.526 USD an hour (65 % of the stack's), no seconds known",
    "             g6e.xlarge (L40S): 1.861 USD an hour (231 % of the stack's), no seconds known",
    "             other regions: no price in the lists is lower than that of us-east-1; without credentials of AWS they have one region",
    "             spot: on demand less the saving in spotinfo's copy of AWS's Spot Advisor of 2025-06-28 (Apache-2.0)",
    "             a stop of 10 hours each night saves 246.31 USD a month: (running − stopped) × 10 / 24",
    "note         a copy of the model on the instance store makes a start after a reboot (with a modelMirror, on a new host too) 1 min sooner than EBS at what it sustains, 56 s at its burst: imagegen up --config instanceStoreCache=true --stack prod (replaces the host)",
  ]);
});

test.each([
  [{ purchaseOption: "spot" }, "cost         312.50 USD a month"],
  [{ purchaseOption: "spot" }, "               299.59  g6.xlarge, spot"],
  [{ instanceTypes: "x9.huge" }, "pictures     no price of x9.huge is known"],
  [
    { volumeSnapshotId: "snap-0a1b2c3d", volumeInitializationRate: "200" },
    "snapshot     0.18 USD once and 4 min 16 s, both at most: the size of the snapshot decides (GiB × 0.0036 USD; GiB × 1024 / 200 MiB/s)",
  ],
  [{ volumeId: "vol-0a1b2c3d" }, "volume       vol-0a1b2c3d, an existing one"],
  [
    { volumeSnapshotId: "snap-0a1b2c3d" },
    "volume       50 GiB gp3, 3000 IOPS, 125 MiB/s, from snap-0a1b2c3d, to download 10 GB",
  ],
  [{ subnetId: "subnet-0a1b2c3d" }, "network      subnet-0a1b2c3d, an existing one"],
  [{ network: "nat" }, "network      a new VPC, with a NAT gateway for egress"],
  [{ ...ALB }, "access       load balancer with TLS, for 203.0.113.0/24"],
  [
    { volumeThroughputMb: "300" },
    "note         g6.xlarge reads its disk at 315 MB/s for half an hour a day only, then at 125 MB/s; a bigger type sustains more.",
  ],
  [{ imagesOnDestroy: "delete" }, "on destroy   the volume is kept, the images are deleted"],
  [{ onDestroy: "snapshot" }, "on destroy   the volume is deleted, a last snapshot is kept, the images are kept"],
  [
    { network: "endpoints-only", modelCache: "baked" },
    "network      a new VPC without egress: endpoints for ecr.api, ecr.dkr, ssm, ssmmessages, logs, monitoring and s3",
  ],
  [
    { selfHealing: "true", pinnedInstanceType: "g5.xlarge" },
    "host         g5.xlarge (A10G), on-demand, in us-east-1, in a self-healing group; fallback: g6.xlarge, g4dn.xlarge",
  ],
])("the plan with %j has the row: %s", (raw, row) => expect(rowsOf(raw as Record<string, string>)).toContain(row));

test("a size and steps are named of published seconds, and of no measured ones", () => {
  const published = rowsOf({ instanceTypes: "g5.xlarge" });
  expect(published).toContainEqual(expect.stringContaining("9.4 s a picture of 1024x1024 in 30 steps: measured on"));
  const plan = makeAwsPlan(awsSettings({ instanceTypes: "g5.xlarge" }), manifest, "prod", { seconds: 6 });
  expect(alignRows(awsPlanRows(plan), 12)).toContain(" 6 s a picture: measured, by --seconds\n");
});

test("a price of another region than the stack's says so", () => {
  const rows = alignRows(awsPlanRows(awsPlanWith({}, "eu-west-2")), 12);
  expect(rows).toContain("for each second that one takes, at the price of us-east-1\n");
  expect(rows).toContain("g4dn.xlarge (T4): 0.526 USD an hour (65 % of the stack's), at the price of us-east-1,");
});

test("prices of two regions are not compared", () => {
  const spot = { onDemand: [], spot: [{ source: "AWS", prices: { "eu-west-2": { "g6.xlarge": 0.31 } } }] };
  const prices = withFallback(spot, TABLE_PRICES);
  const plan = makeAwsPlan(awsSettings({}, "eu-west-2"), manifest, "prod", { prices });
  expect(alignRows(awsPlanRows(plan), 12)).toContain(" spot: 0.31 USD an hour, no seconds known\n");
});

test("a copy on the instance store is recommended where the forecast shows a gain, and nowhere else", () => {
  const recommended = (raw: Record<string, string>) =>
    rowsOf(raw).filter((row) => row.includes("instance store makes"));
  const mirrored = { modelMirror: "s3://models/mirror" };
  expect(recommended(mirrored)).toEqual([
    expect.stringContaining(" makes a start 47 s sooner than EBS at what it sustains, 43 s at its burst: imagegen up "),
  ]);
  const fast = { ...mirrored, instanceTypes: "g5.xlarge", volumeIops: "4000", volumeThroughputMb: "1000" };
  expect(recommended(fast)).toEqual([expect.stringContaining(" what it sustains, not at its burst: imagegen up ")]);
  expect(recommended({ ...mirrored, instanceTypes: "g6.4xlarge" })).toEqual([]);
  expect(recommended({ instanceStoreCache: "true" })).toEqual([]);
  const useless = rowsOf({ ...mirrored, instanceTypes: "g6.4xlarge", instanceStoreCache: "true" });
  expect(useless).toContain("note         instanceStoreCache makes no start sooner here");
});
