import { expect, test } from "vitest";
import { describeAwsPlan } from "../../../cli/targets/aws/stack/describe-plan.ts";
import { ALB, awsPlanWith } from "../../support/aws-settings.ts";

const rowsOf = (raw: Record<string, string> = {}) => describeAwsPlan(awsPlanWith(raw)).split("\n");

test("a plan names the host, its disks, the way in, times and what a month costs", () => {
  expect(rowsOf()).toEqual([
    "model        stabilityai/stable-diffusion-xl-base-1.0 (10 GB), on the volume",
    "host         g6.xlarge (L4), on-demand, in us-east-1, or else g5.xlarge, g4dn.xlarge",
    "volume       50 GiB gp3, 3000 IOPS, 300 MiB/s, to fetch 10 GB",
    "root disk    60 GiB, for an image of 4.9 GB at most",
    "network      a VPC of its own: a public address, nothing comes in",
    "access       nothing listens; imagegen open makes a tunnel",
    "first start  4 min 23 s, estimated, after the image is built and pushed",
    "cached       2 min 43 s on a new host: boot, pull at 80 MB/s, read at 315 MB/s",
    "baked        4 min 48 s",
    "given up     after 40 min 45 s",
    "on destroy   the volume is kept",
    "cost         622.44 USD a month",
    "stopped      31.29 USD a month",
    "               587.50  g6.xlarge, on-demand",
    "                11.00  data volume, 50 GiB",
    "                19.80  root disk, 60 GiB",
    "                 0.49  image in ECR, 4.9 GB at most",
    "                 3.65  public address",
    "             list prices of us-east-1 as of 2025-26, without traffic",
    "note         g6.xlarge reads its disk at 315 MB/s for half an hour a day only, then at 125 MB/s; a bigger type sustains more.",
  ]);
});

test.each([
  [{ capacity: "spot" }, "cost         34.94 USD a month and what has no price below"],
  [{ capacity: "spot" }, "                    ?  g6.xlarge, spot"],
  [{ volumeId: "vol-0a1b2c3d" }, "volume       vol-0a1b2c3d, as it is"],
  [
    { volumeSnapshotId: "snap-0a1b2c3d" },
    "volume       50 GiB gp3, 3000 IOPS, 300 MiB/s, from snap-0a1b2c3d, to fetch 10 GB",
  ],
  [{ subnetId: "subnet-0a1b2c3d" }, "network      subnet-0a1b2c3d, as it is"],
  [{ network: "nat" }, "network      a VPC of its own, out by a NAT gateway"],
  [{ ...ALB }, "access       load balancer with TLS, for 203.0.113.0/24"],
  [{ onDestroy: "snapshot" }, "on destroy   the volume goes, a last snapshot is kept"],
  [
    { network: "endpoints-only", modelCache: "baked" },
    "network      a VPC of its own without a way out: ecr.api, ecr.dkr, ssm, ssmmessages, logs, monitoring and s3 inside",
  ],
  [
    { selfHealing: "true", instanceType: "g5.xlarge" },
    "host         g5.xlarge (A10G), on-demand, in us-east-1, in a group that makes it anew, or else g6.xlarge, g4dn.xlarge",
  ],
])("with %j it says: %s", (raw, row) => expect(rowsOf(raw as Record<string, string>)).toContain(row));
