import { busyUsd } from "./picture-cost.ts";

/** What a service says of its time, as `/readyz` has it. */
export interface ServiceUsage {
  readonly pictures: number;
  /** In which at least one picture was being made. */
  readonly busy_seconds: number;
  /** In seconds since 1970. */
  readonly started_at: number;
  /** What the stack's config says that the machine costs. */
  readonly usd_per_hour: number | null;
}

/** What pictures of a running service took and cost, since it began. */
export interface PictureUse {
  readonly pictures: number;
  /** ISO time. */
  readonly since: string;
  /** Busy time by picture; null before the first. */
  readonly secondsPerPicture: number | null;
  /** From 0 to 1: the share of the time in which no picture was made. */
  readonly idleShare: number;
  /** Null: no price is known. */
  readonly usdPerHour: number | null;
  readonly priceSource: string | null;
  /** Of 1,000 pictures, of the busy time alone. */
  readonly busyUsd: number | null;
  /** Of 1,000 pictures, of all time. */
  readonly usedUsd: number | null;
}

export interface KnownPrice {
  readonly usdPerHour: number;
  readonly source: string;
}

/**
 * The service calculates the same for `/metrics` and its page, from its own clock. Here the price may be one that only the CLI has, and the usage one
 * that a host reported earlier. `now`: when the usage was read, in milliseconds since 1970. The price of the stack's config counts more than `price`.
 */
export function measurePictureUse(usage: ServiceUsage, price: KnownPrice | null, now: number): PictureUse {
  const { pictures, busy_seconds: busy, started_at: began, usd_per_hour: own } = usage;
  const seconds = Math.max(busy, now / 1000 - began);
  const known = own === null ? price : { usdPerHour: own, source: "the key usdPerHour" };
  const each = (all: number) => (known && pictures > 0 ? busyUsd(all / pictures, known.usdPerHour) : null);
  return {
    pictures,
    since: new Date(began * 1000).toISOString(),
    secondsPerPicture: pictures === 0 ? null : Math.round((busy / pictures) * 1000) / 1000,
    idleShare: seconds === 0 ? 1 : Math.round((1 - busy / seconds) * 10_000) / 10_000,
    usdPerHour: known?.usdPerHour ?? null,
    priceSource: known?.source ?? null,
    busyUsd: each(busy),
    usedUsd: each(seconds),
  };
}
