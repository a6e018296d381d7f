/** How amounts are rounded, and written for people and for Docker. Decimal units, as disk makers and download pages use them. */

const STEPS: readonly (readonly [number, string])[] = [
  [1e12, "TB"],
  [1e9, "GB"],
  [1e6, "MB"],
  [1e3, "kB"],
];

/** 6_940_000_000 → "6.94 GB". */
export function formatBytes(bytes: number): string {
  for (const [size, unit] of STEPS) {
    if (bytes >= size) return `${Number((bytes / size).toPrecision(3))} ${unit}`;
  }
  return `${Math.round(bytes)} B`;
}

/** 95 → "1 min 35 s"; parts that are zero are left out. */
export function formatSeconds(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds));
  const parts = [
    [Math.floor(whole / 3600), "h"],
    [Math.floor((whole % 3600) / 60), "min"],
    [whole % 60, "s"],
  ] as const;
  const shown = parts.filter(([amount]) => amount > 0).map(([amount, unit]) => `${amount} ${unit}`);
  return shown.length === 0 ? "0 s" : shown.join(" ");
}

/** To whole cents. */
export const roundUsd = (usd: number): number => Math.round(usd * 100) / 100;

/** 0.5 → "0.50 USD". */
export const formatUsd = (usd: number): string => `${usd.toFixed(2)} USD`;

/** A share of 1: 0.25 → "25 %". */
export const formatPercent = (share: number): string => `${Math.round(share * 100)} %`;

/**
 * 90 → "1m30s": the spelling that Docker's own tools give back.
 * Any other ("90s") reads as a change on every update.
 */
export function dockerDuration(seconds: number): string {
  const hours = Math.floor(seconds / 3600);
  const minutes = Math.floor((seconds % 3600) / 60);
  const rest = seconds % 60;
  if (hours > 0) return `${hours}h${minutes}m${rest}s`;
  if (minutes > 0) return `${minutes}m${rest}s`;
  return `${rest}s`;
}
