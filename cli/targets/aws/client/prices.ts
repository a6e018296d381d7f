import { existsSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import type { AwsSettings } from "../../../../infra/config/aws/settings.ts";
import { INSTANCE_TYPES } from "../../../../infra/plan/aws/instance-types.ts";
import { type Prices, type PricesByRegion, TABLE_PRICES, withFallback } from "../../../../infra/plan/prices/prices.ts";
import type { Context } from "../../../core/context.ts";
import { type AwsClientConfig, awsClientConfig, sdkOptions } from "./client-config.ts";
import { describeAwsError } from "./errors.ts";

/** What AWS says of prices. Errors are the SDK's own. */
export interface PriceApi {
  /** On demand: all GPU types of this region, and one type in all regions. */
  onDemand(region: string, instanceType: string): Promise<OnDemandPrices>;
  /** Spot, of the region: the cheapest zone. */
  spot(types: readonly string[]): Promise<Readonly<Record<string, number>>>;
}

export interface OnDemandPrices {
  readonly prices: PricesByRegion;
  /** Types and regions with several prices, which are in no list: nobody knows which one is paid. */
  readonly refused: readonly string[];
}

/** Milliseconds: a plan is printed with the table's prices after that. */
const MOST_MS = 6000;
const FROM_TABLE = "Prices are from this repository's table, not current ones";
/** The Price List API is in few regions, and has the prices of all. */
const PRICE_LIST_REGION = "us-east-1";

/** Current prices where there are credentials, and this repository's for what is missing. */
export async function currentPrices(
  { files, progress, signal }: Pick<Context, "files" | "progress" | "signal">,
  settings: Pick<AwsSettings, "region" | "instanceTypes" | "pinnedInstanceType">,
): Promise<Prices> {
  if (!hasCredentials(process.env)) {
    progress.log(
      `${FROM_TABLE}: no AWS credentials in environment variables or files; a role of the machine is not tried`,
    );
    return TABLE_PRICES;
  }
  const limit = AbortSignal.any([signal, AbortSignal.timeout(MOST_MS)]);
  const config = { ...awsClientConfig(files.name, files.config()), region: settings.region };
  const type = settings.pinnedInstanceType ?? settings.instanceTypes[0] ?? "";
  const { prices, missing } = await readPrices(await openPrices(config, limit), settings.region, type, new Date());
  signal.throwIfAborted();
  for (const reason of missing) progress.log(`${FROM_TABLE}: ${reason}`);
  return prices;
}

/** `missing`: why a list could not be read, a line each. */
export async function readPrices(
  api: PriceApi,
  region: string,
  instanceType: string,
  now: Date,
): Promise<{ readonly prices: Prices; readonly missing: readonly string[] }> {
  const [onDemand, spot] = await Promise.allSettled([
    api.onDemand(region, instanceType),
    api.spot(Object.keys(INSTANCE_TYPES)),
  ]);
  const at = `${now.toISOString().slice(0, 16)}Z`;
  const missing = [onDemand, spot].flatMap((each) =>
    each.status === "rejected" ? [describeAwsError(each.reason).message] : [],
  );
  const { prices: listed, refused } = onDemand.status === "fulfilled" ? onDemand.value : { prices: null, refused: [] };
  if (refused.length > 0) missing.push(`AWS's Price List has several prices of ${refused.join("; ")}`);
  const found: Prices = {
    onDemand: listed === null ? [] : [{ source: `AWS's Price List at ${at}`, prices: listed }],
    spot:
      spot.status === "fulfilled"
        ? [{ source: `AWS's spot prices at ${at}, in the cheapest zone`, prices: { [region]: spot.value } }]
        : [],
  };
  return { prices: withFallback(found, TABLE_PRICES), missing };
}

/** Whether the SDK would find credentials without asking a server: where there are none, that takes it seconds. */
function hasCredentials(env: NodeJS.ProcessEnv): boolean {
  const variables = ["AWS_ACCESS_KEY_ID", "AWS_PROFILE", "AWS_WEB_IDENTITY_TOKEN_FILE"];
  const container = ["AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "AWS_CONTAINER_CREDENTIALS_FULL_URI"];
  const files = [
    env.AWS_SHARED_CREDENTIALS_FILE ?? join(homedir(), ".aws", "credentials"),
    env.AWS_CONFIG_FILE ?? join(homedir(), ".aws", "config"),
  ];
  return [...variables, ...container].some((name) => env[name]) || files.some((file) => existsSync(file));
}

/** Of products of EC2: without these, one type has several prices in one region. */
const LINUX_ON_DEMAND = {
  operatingSystem: "Linux",
  tenancy: "Shared",
  preInstalledSw: "NA",
  capacitystatus: "Used",
  marketoption: "OnDemand",
  locationType: "AWS Region",
};

async function openPrices(config: AwsClientConfig, abortSignal: AbortSignal): Promise<PriceApi> {
  const [pricing, ec2] = await Promise.all([import("@aws-sdk/client-pricing"), import("@aws-sdk/client-ec2")]);
  const list = new pricing.PricingClient({ ...sdkOptions(config), region: PRICE_LIST_REGION });
  const zones = new ec2.EC2Client(sdkOptions(config));
  const products = async (filter: Readonly<Record<string, string>>) => {
    const Filters = Object.entries({ ...LINUX_ON_DEMAND, ...filter }).map(([Field, Value]) => ({
      Type: "TERM_MATCH" as const,
      Field,
      Value,
    }));
    const found: string[] = [];
    const pages = pricing.paginateGetProducts({ client: list }, { ServiceCode: "AmazonEC2", Filters }, { abortSignal });
    for await (const { PriceList = [] } of pages) found.push(...PriceList.map(String));
    return found;
  };
  return {
    async onDemand(region, instanceType) {
      const answers = await Promise.all([
        products({ regionCode: region, instanceFamily: "GPU instance" }),
        products({ instanceType }),
      ]);
      return readPriceList(answers.flat());
    },
    async spot(types) {
      const lowest: Record<string, number> = {};
      const pages = ec2.paginateDescribeSpotPriceHistory(
        { client: zones },
        { InstanceTypes: [...types] as never[], ProductDescriptions: ["Linux/UNIX"], StartTime: new Date() },
        { abortSignal },
      );
      for await (const { SpotPriceHistory = [] } of pages) {
        for (const { InstanceType = "", SpotPrice } of SpotPriceHistory) {
          const usd = Number(SpotPrice);
          if (usd > 0) lowest[InstanceType] = Math.min(usd, lowest[InstanceType] ?? usd);
        }
      }
      return lowest;
    },
  };
}

interface Product {
  readonly product?: { readonly attributes?: { readonly instanceType?: string; readonly regionCode?: string } };
  readonly terms?: { readonly OnDemand?: Readonly<Record<string, Term>> };
}

interface Term {
  readonly priceDimensions?: Readonly<Record<string, { readonly pricePerUnit?: { readonly USD?: string } }>>;
}

/** The documents of `GetProducts`, each a JSON text; one product may be in several. */
export function readPriceList(documents: readonly string[]): OnDemandPrices {
  const all = new Map<string, { region: string; type: string; usd: Set<number> }>();
  for (const document of documents) {
    const { product, terms } = JSON.parse(document) as Product;
    const { instanceType: type, regionCode: region } = product?.attributes ?? {};
    if (!type || !region) continue;
    const entry = all.get(`${type} in ${region}`) ?? { region, type, usd: new Set<number>() };
    all.set(`${type} in ${region}`, entry);
    for (const { priceDimensions = {} } of Object.values(terms?.OnDemand ?? {}))
      for (const { pricePerUnit } of Object.values(priceDimensions))
        if (Number(pricePerUnit?.USD) > 0) entry.usd.add(Number(pricePerUnit?.USD));
  }
  const prices: Record<string, Record<string, number>> = {};
  const refused: string[] = [];
  for (const [name, { region, type, usd }] of all) {
    const [price, ...others] = usd;
    if (others.length > 0) refused.push(`${name} (${[...usd].join(", ")} USD)`);
    else if (price !== undefined) prices[region] = { ...prices[region], [type]: price };
  }
  return { prices, refused };
}
