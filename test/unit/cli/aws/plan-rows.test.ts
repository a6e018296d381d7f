import { expect, test } from "vitest";
import { alignRows } from "../../../../cli/core/context.ts";
import { awsPlanRows } from "../../../../cli/targets/aws/stack/plan-rows.ts";
import { ALB, awsPlanWith } from "../../../support/aws-settings.ts";

const rowsOf = (raw: Record<string, string> = {}) => alignRows(awsPlanRows(awsPlanWith(raw)), 12).split("\n");

test("a plan names the host, its disks, its access, times and what a month costs", () => {
  expect(rowsOf()).toEqual([
    "model        stabilityai/stable-diffusion-xl-base-1.0 (10 GB), on the volume",
    "host         g6.xlarge (L4), on-demand, in us-east-1; fallback: g5.xlarge, g4dn.xlarge",
    "volume       50 GiB gp3, 3000 IOPS, 125 MiB/s, to download 10 GB",
    "root disk    60 GiB, for an image of 4.9 GB at most",
    "network      a new VPC: a public address, no inbound access",
    "access       no open port; imagegen open --stack prod makes a tunnel",
    "first start  5 min 7 s, estimated, after the image is built and pushed",
    "cached       3 min 27 s on a new host: boot, pull at 80 MB/s, read at 131 MB/s",
    "baked        5 min 32 s",
    "timeout      40 min 45 s",
    "on destroy   the volume is kept, the images are kept",
    "cost         600.44 USD a month",
    "stopped      9.29 USD a month",
    "               587.50  g6.xlarge, on-demand",
    "                 4.00  data volume, 50 GiB",
    "                 4.80  root disk, 60 GiB",
    "                 0.49  image in ECR, 4.9 GB at most",
    "                 3.65  public address",
    "             list prices of us-east-1 as of 2025-26, without traffic",
  ]);
});

test.each([
  [{ purchaseOption: "spot" }, "cost         12.94 USD a month plus the rows without a price"],
  [{ purchaseOption: "spot" }, "                    ?  g6.xlarge, spot"],
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
