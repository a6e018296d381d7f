import type { Market } from "./simulate.ts";

/** Numbers from 0 to below 1, the same for the same seed (mulberry32). */
export function seeded(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Times of jobs that come at random, so many a second on average. */
export function poisson(perSecond: number, seconds: number, random: () => number): number[] {
  const times: number[] = [];
  for (let at = gap(perSecond, random); at < seconds; at += gap(perSecond, random)) times.push(at);
  return times;
}

const gap = (perSecond: number, random: () => number) => -Math.log(1 - random()) / perSecond;

/** Half an hour with capacity, or without it, on average: assumed. */
const SPELL_SECONDS = 1800;
/** A spot host lives for a day on average while there is capacity, and for ten minutes once there is none: assumed. */
const SPOT_SECONDS = 86_400;
const LOST_SECONDS = 600;

/** A market with capacity for spot hosts for this share of the time, in spells. */
export function marketOf(share: number, seconds: number, random: () => number): Market {
  const ends: number[] = [];
  let isThere = random() < share;
  const first = isThere;
  for (let at = 0; at < seconds && share > 0 && share < 1; isThere = !isThere) {
    at += gap(1 / (2 * SPELL_SECONDS * (isThere ? share : 1 - share)), random);
    ends.push(at);
  }
  let passed = 0;
  return {
    // It is asked in order of time.
    hasSpot: (now) => {
      while ((ends[passed] ?? Number.POSITIVE_INFINITY) <= now) passed += 1;
      return (passed % 2 === 0) === first;
    },
    spotSeconds: SPOT_SECONDS,
    lostSpotSeconds: LOST_SECONDS,
  };
}

/** The value that this share of the values does not exceed. */
export function shareOf(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? 0;
}
