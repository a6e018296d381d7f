/** The bars of the benches that are not in Python: what a bench has to reach, or it exits with 1. `common/bars.py` has those of the others. */

/** First paint of the page by an empty page's: beyond it the page would be felt to be slow where an empty one is not. */
export const PAGE_PAINT = 2;
/** How far the plan of a fleet may be from what its policies do in a simulation, as a share. */
export const FORECAST_OFF = 0.15;
/** How far a figure of the disk's use may be off, as a share. */
export const ROOM_OFF = 0.1;

/** `--bars <factor>` multiplies every bar; with 0 all are missed, which shows that a miss exits with 1. */
export function barsFactor(text: string | undefined): number {
  const factor = Number(text ?? "1");
  if (Number.isFinite(factor) && factor >= 0) return factor;
  console.error(`--bars: expected a number from 0, got ${text}. Fix: --bars 1`);
  return process.exit(2);
}
