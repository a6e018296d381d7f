import { describe, expect, test } from "vitest";
import { INSTANCE_TYPES } from "../../../../infra/plan/aws/instance-types.ts";
import { makeAwsPlan } from "../../../../infra/plan/aws/plan.ts";
import { INSTANCE_PRICES } from "../../../../infra/plan/prices/instance-prices.ts";
import { type Prices, priceOf, TABLE_PRICES, withFallback } from "../../../../infra/plan/prices/prices.ts";
import { readOnDemand, readSavings } from "../../../../scripts/prices/catalogues.ts";
import { awsPlanWith, awsSettings } from "../../../support/aws-settings.ts";
import { manifest } from "../../../support/settings.ts";

const planOf = (raw: Record<string, string>, forecast: Parameters<typeof makeAwsPlan>[3], region = "us-east-1") =>
  makeAwsPlan(awsSettings(raw, region), manifest, "prod", forecast).pictureCost;

const NOW: Prices = {
  onDemand: [{ source: "now", prices: { "eu-west-1": { "g5.xlarge": 2 }, "us-east-2": { "g5.xlarge": 1 } } }],
  spot: [{ source: "spot now", prices: { "eu-west-1": { "g5.xlarge": 0.5 } } }],
};

describe("1,000 pictures", () => {
  test("cost the published seconds times the table's price", () => {
    const cost = awsPlanWith({ instanceTypes: "g5.xlarge" }).pictureCost;
    // 9.4 s / 3600 × 1.006 USD × 1000
    expect(cost).toMatchObject({ secondsPerPicture: 9.4, usdPerHour: 1.006, busyUsd: 2.63, usedUsd: null });
    expect(cost.secondsSource).toContain("measured on an A10");
    expect(cost.priceSource).toBe("Karpenter's price list of 2026-07-20 (Apache-2.0)");
  });

  test("have no cost where no seconds are known, and one with measured seconds", () => {
    const unknown = planOf({}, {});
    expect(unknown).toMatchObject({ secondsPerPicture: null, busyUsd: null, usdPerHour: 0.8048 });
    expect(unknown.secondsSource).toBe("none were published for the L4: npm run bench:pictures -- --device cuda");
    const measured = planOf({}, { seconds: 9, idleShare: 0.75 });
    expect(measured).toMatchObject({ busyUsd: 2.01, usedUsd: 8.05, secondsSource: "measured, by --seconds" });
    expect([measured.secondsKind, unknown.secondsKind]).toEqual(["measured", null]);
  });

  test("another type is there for as many hours at the same load", () => {
    const { options } = planOf({ instanceTypes: "g5.xlarge" }, { idleShare: 0.75 });
    // 9.4 s / 0.25 for each picture
    expect(options.find(({ instanceType }) => instanceType === "p5.4xlarge")).toMatchObject({
      busyUsd: 4.78,
      usedUsd: 71.86,
    });
  });

  test.each([
    [{ modelId: "stabilityai/sdxl-turbo" }, "stabilityai/sdxl-turbo"],
    [{ modelId: "black-forest-labs/FLUX.1-schnell" }, "black-forest-labs/FLUX.1-schnell"],
    [{ modelId: "demo" }, "demo"],
    [{ environment: '{"MODEL_DIR":"/models/own"}' }, "/models/own"],
  ])("published seconds of SDXL base say nothing of %j", (raw, model) => {
    const settings = awsSettings({ instanceTypes: "g5.xlarge", ...raw });
    const { pictureCost } = makeAwsPlan(settings, null, "prod");
    expect(pictureCost).toMatchObject({ secondsPerPicture: null, secondsKind: null, busyUsd: null });
    expect(pictureCost.secondsSource).toMatch(`none were published for ${model}, only for SDXL base 1.0: npm run`);
    expect(pictureCost.options.map(({ secondsPerPicture }) => secondsPerPicture)).not.toContain(9.4);
    expect(pictureCost.options.map(({ secondsPerPicture }) => secondsPerPicture)).not.toContain(2.5);
  });

  test("measured seconds are those of the stack's GPU, and of no other", () => {
    const { options } = planOf({}, { seconds: 9 });
    const seconds = Object.fromEntries(options.map((option) => [option.what, option.secondsPerPicture]));
    expect(seconds).toEqual({
      spot: 9,
      "g4dn.xlarge (T4)": null,
      "g5.xlarge (A10G)": null,
      "g6e.xlarge (L40S)": null,
      "g7.2xlarge (RTX PRO 4500)": null,
    });
  });

  test("an instance type that can't serve the model is no option", () => {
    const { options } = planOf({}, {});
    const memory = options.map(({ instanceType }) => INSTANCE_TYPES[instanceType]?.gpuMemoryMib ?? 0);
    expect(Math.min(...memory)).toBeGreaterThanOrEqual(awsPlanWith().gpuMemoryMib);
  });

  test("spot is compared with on demand, and on demand with spot", () => {
    expect(planOf({}, {}).options[0]).toMatchObject({ what: "spot", usdPerHour: 0.4104 });
    const spot = planOf({ purchaseOption: "spot" }, {});
    expect(spot).toMatchObject({ usdPerHour: 0.4104 });
    expect(spot.options.find(({ what }) => what === "on-demand")).toMatchObject({ usdPerHour: 0.8048 });
  });

  test("regions that cost less are options", () => {
    const { options, usdPerHour } = planOf({ instanceTypes: "g5.xlarge" }, { prices: NOW }, "eu-west-1");
    expect(usdPerHour).toBe(2);
    const rows = options.map(({ what, usdPerHour: hour, busyUsd }) => [what, hour, busyUsd]);
    expect([rows[0], rows.at(-1)]).toEqual([
      ["spot", 0.5, 1.31],
      ["us-east-2", 1, 2.61],
    ]);
  });

  test("what has no price in the stack's region is compared only where the stack's own price is of the same one", () => {
    const own = planOf({ instanceTypes: "g5.xlarge" }, { prices: withFallback(NOW, TABLE_PRICES) }, "eu-west-1");
    expect(own.options.map(({ kind, region }) => [kind, region])).toEqual([
      ["market", "eu-west-1"],
      ["region", "us-east-2"],
      ["region", "us-east-1"],
    ]);
    const table = planOf({ instanceTypes: "g5.xlarge" }, { prices: TABLE_PRICES }, "eu-west-1");
    expect(table.priceRegion).toBe("us-east-1");
    expect(new Set(table.options.map(({ kind, region }) => `${kind} ${region}`))).toEqual(
      new Set(["market us-east-1", "type us-east-1"]),
    );
  });

  test("a stop at night saves its share of what only a running host costs", () => {
    const { cost, pictureCost } = awsPlanWith();
    const hours = cost.runningUsdPerMonth - cost.stoppedUsdPerMonth;
    expect(pictureCost.nightStop?.savedUsdPerMonth).toBeCloseTo((hours * 10) / 24, 2);
  });
});

describe("prices", () => {
  test("each instance type of the plan has one on demand", () => {
    expect(Object.keys(INSTANCE_PRICES.onDemand.usdPerHour["us-east-1"]).sort()).toEqual(
      Object.keys(INSTANCE_TYPES).sort(),
    );
  });

  test("are the region's own where a list has them, else those of us-east-1, which they say", () => {
    const prices = withFallback(NOW, TABLE_PRICES);
    expect(priceOf(prices, "on-demand", "g5.xlarge", "eu-west-1")).toMatchObject({
      region: "eu-west-1",
      source: "now",
    });
    expect(priceOf(prices, "on-demand", "g6.xlarge", "eu-west-1")).toMatchObject({ region: "us-east-1" });
    expect(priceOf(prices, "on-demand", "x9.huge", "eu-west-1")).toBeNull();
  });

  test("are read from Karpenter's list with its date, for one region", () => {
    const list = [
      "// generated at 2026-07-20T13:44:30Z for us-east-1",
      'var P = map[string]map[string]float64{\n\t"us-east-1": {\n\t\t// g6 family',
      '\t\t"g6.12xlarge": 4.6, "g6.xlarge": 0.804800,\n\t},\n\t"us-east-2": {\n\t\t"g6.xlarge": 9.9,\n\t},\n}',
    ].join("\n");
    expect(readOnDemand(list, "us-east-1", ["g6.xlarge", "g5.xlarge"])).toEqual({
      date: "2026-07-20",
      usdPerHour: { "g6.xlarge": 0.8048 },
    });
    expect(() => readOnDemand(list, "eu-west-1", [])).toThrow("No prices of eu-west-1");
  });

  test("savings of spot are those of Linux", () => {
    const advisor = { spot_advisor: { "us-east-1": { Linux: { "g6.xlarge": { s: 49 } }, Windows: {} } } };
    expect(readSavings(JSON.stringify(advisor), "us-east-1", ["g6.xlarge"])).toEqual({ "g6.xlarge": 49 });
  });
});
