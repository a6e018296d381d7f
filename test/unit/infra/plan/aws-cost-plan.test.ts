import { describe, expect, test } from "vitest";
import { ALB, awsPlanWith } from "../../../support/aws-settings.ts";

const CLOSED = { network: "endpoints-only", modelCache: "baked" } as const;

describe("start-up", () => {
  test("is read at the slower of volume and instance", () => {
    expect(awsPlanWith().startupEstimate).toMatchObject({ readMbps: 131, bytesToFetch: 10e9 });
    const bought = awsPlanWith({ volumeThroughputMb: "300" });
    expect(bought.startupEstimate).toMatchObject({ readMbps: 315, burst: true });
    expect([awsPlanWith().warnings, bought.warnings]).toEqual([[], [expect.stringContaining("half an hour a day")]]);
    expect(awsPlanWith({ volumeThroughputMb: "125", instanceTypes: "g6.2xlarge" }).startupEstimate).toMatchObject({
      readMbps: 131,
      burst: false,
    });
    expect(awsPlanWith({ volumeIops: "4000", volumeThroughputMb: "1000" }).startupEstimate.readMbps).toBe(625);
  });

  test("a cached start leaves out the download, a baked one pulls it", () => {
    const { startupEstimate } = awsPlanWith();
    expect(startupEstimate.firstSeconds - startupEstimate.cachedSeconds).toBe(100);
    expect(startupEstimate.bakedSeconds - startupEstimate.cachedSeconds).toBe(125);
  });
});

describe("a copy of the model on the instance store", () => {
  const secondsOf = (raw: Record<string, string>) => {
    const { volumeBaseline, volumeBurst, mirror, hub, copy } = awsPlanWith(raw).instanceStore ?? expect.fail("none");
    return [volumeBaseline, volumeBurst, mirror, hub, copy].map(({ seconds }) => seconds);
  };

  // 10 GB, and 10 s for the first picture: bytes / 125, 131, 300, 100 and 500 MB/s, and so on.
  test.each([
    [{}, [90, 86, 43, 110, 30]],
    [{ instanceTypes: "g5.xlarge" }, [124, 86, 43, 110, 30]],
    [{ instanceTypes: "g5.xlarge", volumeIops: "4000", volumeThroughputMb: "1000" }, [124, 33, 43, 110, 30]],
    [{ instanceTypes: "g6.4xlarge" }, [42, 42, 43, 110, 30]],
  ])("with %j a start takes %j s: volume at its baseline and burst, mirror, Hub, copy", (raw, seconds) => {
    expect(secondsOf(raw as Record<string, string>)).toEqual(seconds);
  });

  test("each forecast has its formula, and the gain is that of the mirror where there is one", () => {
    const plan = awsPlanWith().instanceStore;
    expect(plan?.volumeBaseline.formula).toBe("the longer of 15 s and 10 GB / 125 MB/s, + 10 s");
    expect(plan).toMatchObject({ enabled: false, gainAtBaselineSeconds: 60, gainAtBurstSeconds: 56 });
    const mirrored = awsPlanWith({ modelMirror: "s3://models/mirror", instanceStoreCache: "true" }).instanceStore;
    expect(mirrored).toMatchObject({ enabled: true, gainAtBaselineSeconds: 47, gainAtBurstSeconds: 43 });
  });

  test.each([
    [{ modelCache: "baked" }],
    [{ instanceTypes: "g9.xlarge" }],
    [{ instanceTypes: "g7.2xlarge" }],
    [{ environment: "MODEL_DIR=/data/fox" }],
  ])("there is none with %j", (raw) => {
    expect(awsPlanWith(raw as Record<string, string>).instanceStore).toBeNull();
  });
});

describe("cost", () => {
  test("is a month of list prices, and less while the host is stopped", () => {
    const { cost } = awsPlanWith();
    expect(cost.items).toEqual([
      { what: "g6.xlarge, on-demand", usdPerMonth: 587.5, whileStopped: false },
      { what: "data volume, 50 GiB", usdPerMonth: 4, whileStopped: true },
      { what: "root disk, 60 GiB", usdPerMonth: 4.8, whileStopped: true },
      { what: "image in ECR, 4.63 GB at most", usdPerMonth: 0.46, whileStopped: true },
      { what: "public address", usdPerMonth: 3.65, whileStopped: false },
    ]);
    expect(cost).toMatchObject({
      asOf: "2026-11-22",
      region: "us-east-1",
      runningUsdPerMonth: 600.41,
      stoppedUsdPerMonth: 9.26,
      incomplete: false,
    });
  });

  test.each([
    [{ purchaseOption: "spot" }, "g6.xlarge, spot", 299.59],
    [{ network: "nat" }, "NAT gateway with its address", 36.5],
    [{ ...CLOSED }, "6 interface endpoints", 43.8],
    [{ ...ALB }, "load balancer", 16.43],
    [{ ...ALB }, "2 public addresses of the load balancer", 7.3],
    [{ volumeThroughputMb: "300" }, "data volume, 50 GiB", 11],
    [{ snapshots: "daily" }, "snapshots, a full one at most", 2.5],
  ])("with %j it has: %s", (raw, what, usdPerMonth) => {
    const { items } = awsPlanWith(raw as Record<string, string>).cost;
    expect(items.find((item) => item.what === what)).toMatchObject({ usdPerMonth });
  });

  test("a volume from a snapshot is filled at its rate, for a price that is paid once", () => {
    const raw = { volumeSnapshotId: "snap-0a1b2c3d", volumeInitializationRate: "200", volumeSizeGb: "100" };
    // 100 GiB × 0.0036 USD; 100 × 1024 MiB / 200 MiB/s
    expect(awsPlanWith(raw).cost.initialization).toMatchObject({ atMostUsd: 0.36, atMostSeconds: 512 });
    expect(awsPlanWith({ volumeSnapshotId: "snap-0a1b2c3d" }).cost.initialization).toBeNull();
  });

  test("an internal load balancer has no public address", () => {
    const { items } = awsPlanWith({ ...ALB, ...CLOSED }).cost;
    expect(items.filter(({ what }) => what.includes("address"))).toEqual([]);
  });

  test("an adopted volume is not this stack's cost", () => {
    const { items } = awsPlanWith({ volumeId: "vol-0a1b2c3d" }).cost;
    expect(items.filter(({ what }) => what.startsWith("data volume"))).toEqual([]);
  });
});
