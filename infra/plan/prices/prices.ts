/**
 * What AWS asks for. In: the tables of this folder, or what its APIs said a moment ago. Out: prices with their source and
 * date. Never a bill, and never a request.
 */
import { INSTANCE_PRICES } from "./instance-prices.ts";

/** A price of one instance type in one region, in USD an hour, Linux. */
export interface InstancePrice {
  readonly usdPerHour: number;
  /** The region that it is of. */
  readonly region: string;
  /** Where it is from, with the date. */
  readonly source: string;
}

/** USD an hour by region, then by instance type. */
export type PricesByRegion = Readonly<Record<string, Readonly<Record<string, number>>>>;

/** USD an hour, with the source of all of them. */
interface PriceList {
  readonly source: string;
  readonly prices: PricesByRegion;
}

/** The prices of a plan: the first list that has one is used. */
export interface Prices {
  readonly onDemand: readonly PriceList[];
  readonly spot: readonly PriceList[];
}

/** The region whose price stands for one that is not known. */
const TABLE_REGION = "us-east-1";

const { onDemand, spot } = INSTANCE_PRICES;
const about = ({ name, licence, date }: typeof onDemand.source) => `${name} of ${date} (${licence})`;

/** The prices in this repository, which `npm run prices` writes. */
export const TABLE_PRICES: Prices = {
  onDemand: [{ source: about(onDemand.source), prices: onDemand.usdPerHour }],
  spot: [{ source: `on demand less the saving in ${about(spot.source)}`, prices: spotPrices() }],
};

/** Null where no list has it. Without a price of the region, that of `TABLE_REGION` is returned, which its `region` says. */
export function priceOf(
  prices: Prices,
  market: "on-demand" | "spot",
  instanceType: string,
  region: string,
): InstancePrice | null {
  const lists = market === "spot" ? prices.spot : prices.onDemand;
  for (const place of new Set([region, TABLE_REGION])) {
    for (const { source, prices: byRegion } of lists) {
      const usdPerHour = byRegion[place]?.[instanceType];
      if (usdPerHour !== undefined) return { usdPerHour, region: place, source };
    }
  }
  return null;
}

/** Both lists of `first`, and then those of `second`. */
export const withFallback = (first: Prices, second: Prices): Prices => ({
  onDemand: [...first.onDemand, ...second.onDemand],
  spot: [...first.spot, ...second.spot],
});

function spotPrices(): PricesByRegion {
  const prices: PricesByRegion = onDemand.usdPerHour;
  return Object.fromEntries(
    Object.entries(spot.savingPercent).map(([region, savings]) => [
      region,
      Object.fromEntries(
        Object.entries(savings).flatMap(([type, percent]) => {
          const full = prices[region]?.[type];
          return full === undefined ? [] : [[type, Math.round(full * (100 - percent) * 100) / 10_000]];
        }),
      ),
    ]),
  );
}
