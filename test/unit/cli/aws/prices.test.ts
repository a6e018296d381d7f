import { expect, test, vi } from "vitest";
import { currentPrices, type PriceApi, readPriceList, readPrices } from "../../../../cli/targets/aws/client/prices.ts";
import { priceOf, TABLE_PRICES } from "../../../../infra/plan/prices/prices.ts";

const NOW = new Date("2026-11-27T10:00:00Z");
const document = (instanceType: string, regionCode: string, USD: string) =>
  JSON.stringify({
    product: { attributes: { instanceType, regionCode } },
    terms: { OnDemand: { a: { priceDimensions: { b: { unit: "Hrs", pricePerUnit: { USD } } } } } },
  });

test("a price of the Price List is one of its type and region; a free or another currency's is none", () => {
  const other = JSON.stringify({ product: { attributes: { instanceType: "g5.xlarge", regionCode: "cn-north-1" } } });
  expect(
    readPriceList([
      document("g6.xlarge", "eu-west-2", "0.9400000000"),
      document("g5.xlarge", "eu-west-2", "1.2"),
      document("g5.2xlarge", "eu-west-2", "0.0000000000"),
      other,
    ]),
  ).toEqual({ prices: { "eu-west-2": { "g6.xlarge": 0.94, "g5.xlarge": 1.2 } }, refused: [] });
});

test("of two prices of one type in one region none is taken; the same one twice is one", () => {
  const twice = [document("g6.xlarge", "eu-west-2", "0.94"), document("g6.xlarge", "eu-west-2", "0.9400000000")];
  expect(readPriceList(twice).prices).toEqual({ "eu-west-2": { "g6.xlarge": 0.94 } });
  expect(readPriceList([...twice, document("g6.xlarge", "eu-west-2", "1.5")])).toEqual({
    prices: {},
    refused: ["g6.xlarge in eu-west-2 (0.94, 1.5 USD)"],
  });
});

test("a price that is refused has its reason", async () => {
  const refused = ["g6.xlarge in us-east-1 (0.8, 0.9 USD)"];
  const api: PriceApi = { onDemand: async () => ({ prices: {}, refused }), spot: async () => ({}) };
  const { prices, missing } = await readPrices(api, "us-east-1", "g6.xlarge", NOW);
  expect(missing).toEqual(["AWS's Price List has several prices of g6.xlarge in us-east-1 (0.8, 0.9 USD)"]);
  expect(priceOf(prices, "on-demand", "g6.xlarge", "us-east-1")?.source).toContain("Karpenter");
});

test("without credentials the plan says why it has the table's prices", async () => {
  const variables = ["AWS_ACCESS_KEY_ID", "AWS_PROFILE", "AWS_WEB_IDENTITY_TOKEN_FILE"];
  for (const name of [...variables, "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "AWS_CONTAINER_CREDENTIALS_FULL_URI"])
    vi.stubEnv(name, "");
  vi.stubEnv("AWS_SHARED_CREDENTIALS_FILE", "/none");
  vi.stubEnv("AWS_CONFIG_FILE", "/none");
  const log = vi.fn();
  const context = { files: {}, progress: { log }, signal: new AbortController().signal } as never;
  const settings = { region: "us-east-1", instanceTypes: ["g6.xlarge"], pinnedInstanceType: null };
  expect(await currentPrices(context, settings)).toBe(TABLE_PRICES);
  vi.unstubAllEnvs();
  expect(log.mock.calls).toEqual([[expect.stringMatching(/^Prices are from this repository's table.*no AWS cred/)]]);
});

test("current prices come first, with their time", async () => {
  const api: PriceApi = {
    onDemand: async (region, type) => ({ prices: { [region]: { [type]: 0.94 } }, refused: [] }),
    spot: async () => ({ "g6.xlarge": 0.31 }),
  };
  const { prices, missing } = await readPrices(api, "eu-west-2", "g6.xlarge", NOW);
  expect(missing).toEqual([]);
  expect(priceOf(prices, "on-demand", "g6.xlarge", "eu-west-2")).toEqual({
    usdPerHour: 0.94,
    region: "eu-west-2",
    source: "AWS's Price List at 2026-11-27T10:00Z",
  });
  expect(priceOf(prices, "spot", "g6.xlarge", "eu-west-2")).toMatchObject({ usdPerHour: 0.31, region: "eu-west-2" });
  expect(priceOf(prices, "on-demand", "g5.xlarge", "eu-west-2")).toMatchObject({ region: "us-east-1" });
});

test("what can't be read is the table's, and the reason is one line", async () => {
  const denied = Object.assign(new Error("User is not authorized to perform: pricing:GetProducts"), {
    name: "AccessDeniedException",
  });
  const api: PriceApi = { onDemand: () => Promise.reject(denied), spot: async () => ({ "g6.xlarge": 0.31 }) };
  const { prices, missing } = await readPrices(api, "us-east-1", "g6.xlarge", NOW);
  expect(missing).toEqual(["access denied: these credentials lack pricing:GetProducts"]);
  expect(priceOf(prices, "on-demand", "g6.xlarge", "us-east-1")).toMatchObject({ usdPerHour: 0.8048 });
  expect(priceOf(prices, "spot", "g6.xlarge", "us-east-1")).toMatchObject({ usdPerHour: 0.31 });
});
