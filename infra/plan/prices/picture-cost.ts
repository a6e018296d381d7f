import { roundUsd } from "../../units.ts";
import { INSTANCE_TYPES } from "../aws/instance-types.ts";
import { type PictureSeconds, publishedSeconds, withoutSeconds } from "./picture-seconds.ts";
import { type InstancePrice, type Prices, priceOf } from "./prices.ts";

type Market = "on-demand" | "spot";

/** One way to make 1,000 pictures. */
export interface PictureCostOption {
  /** What is another one than the stack's. */
  readonly kind: "market" | "type" | "region";
  /** What is different from the stack. */
  readonly what: string;
  readonly instanceType: string;
  readonly market: Market;
  readonly usdPerHour: number;
  /** The region that the price is of: another one than the stack's where `kind` is `region`, or where the stack's has none. */
  readonly region: string;
  /** Null where no seconds are known for the GPU. */
  readonly secondsPerPicture: number | null;
  /** Of 1,000 pictures on a host that is never idle. */
  readonly busyUsd: number | null;
  /** With the idle share; null also where that is not known. */
  readonly usedUsd: number | null;
}

/** What 1,000 pictures cost, as far as the instance is concerned: disks and network are rows of the monthly cost. */
export interface PictureCostPlan {
  readonly pictures: number;
  /** Null: nothing was measured or published. */
  readonly secondsPerPicture: number | null;
  /** Null: none are known. */
  readonly secondsKind: "measured" | "published" | null;
  /** Where the seconds are from, or why there are none. */
  readonly secondsSource: string;
  /** From 0 to below 1: the share of the host's hours in which no picture is made; null: not known. */
  readonly idleShare: number | null;
  /** Null: no price is known. */
  readonly usdPerHour: number | null;
  readonly priceRegion: string | null;
  readonly priceSource: string | null;
  readonly spotSource: string | null;
  readonly busyUsd: number | null;
  readonly usedUsd: number | null;
  /** How `busyUsd` and `usedUsd` are calculated. */
  readonly formula: string;
  /** The other market, then other types and other regions, of each the cheapest first. */
  readonly options: readonly PictureCostOption[];
  readonly nightStop: NightStop | null;
}

/** A host that is stopped for some hours of each day. Disks are paid for all the same. */
interface NightStop {
  readonly hoursPerDay: number;
  readonly savedUsdPerMonth: number;
  readonly formula: string;
}

export interface PictureCostInputs {
  /** A manifest's id where there is one: published seconds are of one model alone. */
  readonly modelId: string;
  readonly instanceType: string;
  /** Acceptable types, and the model's need, so that nothing is proposed that can't serve it. */
  readonly gpuMemoryMib: number;
  readonly market: Market;
  readonly region: string;
  /** Measured by the user, of the stack's GPU, at any size and number of steps; null: the published ones. */
  readonly seconds: number | null;
  readonly idleShare: number | null;
  /** USD a month that a stopped host saves. */
  readonly hostUsdPerMonth: number | null;
}

const PICTURES = 1000;
const SECONDS_PER_HOUR = 3600;
/** From 22 to 8 o'clock, say. */
const NIGHT_HOURS = 10;
const MOST_TYPES = 4;
const MOST_REGIONS = 3;

/** USD of 1,000 pictures on a host that is never idle. */
export const busyUsd = (secondsPerPicture: number, usdPerHour: number): number =>
  roundUsd((secondsPerPicture / SECONDS_PER_HOUR) * usdPerHour * PICTURES);

const PICTURE_FORMULA =
  "seconds / 3600 × USD an hour × 1000; with an idle share i, seconds / (1 − i), which another type takes too at the same load";

export function planPictureCost(inputs: PictureCostInputs, prices: Prices): PictureCostPlan {
  const { instanceType, modelId, market, region, idleShare, seconds } = inputs;
  const price = priceOf(prices, market, instanceType, region);
  const gpu = INSTANCE_TYPES[instanceType]?.gpu;
  const known = seconds === null ? publishedSeconds(modelId, gpu) : { seconds, source: "measured, by --seconds" };
  const secondsKind = known === null ? null : seconds === null ? "published" : "measured";
  // The host's time for each picture is the load's, unless another GPU is too slow for it.
  const hostSeconds = known && idleShare !== null ? known.seconds / (1 - idleShare) : null;
  const cost = (per: PictureSeconds | null, usdPerHour: number | null) => {
    const busy = (seconds: number | null) =>
      seconds === null || usdPerHour === null ? null : busyUsd(seconds, usdPerHour);
    return {
      secondsPerPicture: per?.seconds ?? null,
      busyUsd: busy(per?.seconds ?? null),
      usedUsd: busy(per && hostSeconds && Math.max(per.seconds, hostSeconds)),
    };
  };
  // Measured seconds are of the user's pictures: published ones of another GPU are not comparable.
  const secondsOf = (other: string | undefined) =>
    other === gpu ? known : seconds === null ? publishedSeconds(modelId, other) : null;
  const option = (
    { kind, what, type = instanceType, market: where = market }: Other,
    found: InstancePrice,
  ): PictureCostOption => ({
    kind,
    what,
    instanceType: type,
    market: where,
    usdPerHour: found.usdPerHour,
    region: found.region,
    ...cost(secondsOf(INSTANCE_TYPES[type]?.gpu), found.usdPerHour),
  });
  // A price of a third region says nothing of the stack's.
  const near = (where: Market, type: string) => {
    const found = priceOf(prices, where, type, region);
    return found && [region, price?.region].includes(found.region) ? found : null;
  };
  const otherMarket = market === "spot" ? "on-demand" : "spot";
  const other = near(otherMarket, instanceType);
  const options = [
    ...(other ? [option({ kind: "market", what: otherMarket, market: otherMarket }, other)] : []),
    ...otherTypes(inputs, (type) => near(market, type), option),
    ...otherRegions(inputs, prices, price).map((found) => option({ kind: "region", what: found.region }, found)),
  ];
  const usdPerHour = price?.usdPerHour ?? null;
  return {
    pictures: PICTURES,
    ...cost(known, usdPerHour),
    secondsKind,
    secondsSource: known?.source ?? withoutSeconds(modelId, gpu),
    idleShare,
    usdPerHour,
    priceRegion: price?.region ?? null,
    priceSource: price?.source ?? null,
    spotSource: market === "spot" ? (price?.source ?? null) : (other?.source ?? null),
    formula: PICTURE_FORMULA,
    options,
    nightStop: nightStop(inputs.hostUsdPerMonth),
  };
}

/** What an option has that the stack has not. */
interface Other {
  readonly kind: PictureCostOption["kind"];
  readonly what: string;
  readonly type?: string;
  readonly market?: Market;
}

/** In the same market: of each other GPU that holds the model, the type that costs least. */
function otherTypes(
  { instanceType, gpuMemoryMib }: PictureCostInputs,
  price: (type: string) => InstancePrice | null,
  option: (other: Other, found: InstancePrice) => PictureCostOption,
): PictureCostOption[] {
  const gpu = INSTANCE_TYPES[instanceType]?.gpu;
  const cheapest = new Map<string, PictureCostOption>();
  for (const [type, { gpu: other, gpuMemoryMib: memory }] of Object.entries(INSTANCE_TYPES)) {
    const found = other === gpu || memory < gpuMemoryMib ? null : price(type);
    const before = cheapest.get(other)?.usdPerHour ?? Number.POSITIVE_INFINITY;
    if (found && found.usdPerHour < before)
      cheapest.set(other, option({ kind: "type", what: `${type} (${other})`, type }, found));
  }
  return [...cheapest.values()].sort(byCost).slice(0, MOST_TYPES);
}

/** Regions that ask for less than the stack's, the cheapest first. */
function otherRegions(
  { instanceType, market, region }: PictureCostInputs,
  prices: Prices,
  here: InstancePrice | null,
): InstancePrice[] {
  const lists = market === "spot" ? prices.spot : prices.onDemand;
  const regions = new Set(lists.flatMap((list) => Object.keys(list.prices)));
  return [...regions]
    .flatMap((each) => {
      const found = each === region ? null : priceOf(prices, market, instanceType, each);
      return found && found.region === each && found.usdPerHour < (here?.usdPerHour ?? 0) ? [found] : [];
    })
    .sort((a, b) => a.usdPerHour - b.usdPerHour)
    .slice(0, MOST_REGIONS);
}

/** With the idle share where one is given; without a cost, by the price. */
function byCost(a: PictureCostOption, b: PictureCostOption): number {
  const [left, right] = [a, b].map(({ usedUsd, busyUsd }) => usedUsd ?? busyUsd ?? Number.POSITIVE_INFINITY);
  return left === right ? a.usdPerHour - b.usdPerHour : (left ?? 0) - (right ?? 0);
}

function nightStop(hostUsdPerMonth: number | null): NightStop | null {
  if (hostUsdPerMonth === null) return null;
  return {
    hoursPerDay: NIGHT_HOURS,
    savedUsdPerMonth: roundUsd((hostUsdPerMonth * NIGHT_HOURS) / 24),
    formula: `(running − stopped) × ${NIGHT_HOURS} / 24`,
  };
}
