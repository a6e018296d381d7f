import type { CostPlan } from "../../infra/plan/aws/cost.ts";
import { roundUsd } from "../../infra/units.ts";
import { table } from "../reference/markdown.ts";
import { nameOf } from "./changes.ts";

/** Of a plan that an earlier version made, only what it had may be there. */
export type PlannedCost = Pick<CostPlan, "items" | "runningUsdPerMonth" | "stoppedUsdPerMonth"> & Partial<CostPlan>;

/** What `imagegen plan --json` said: null where the stack costs nothing that is known, undefined where there is no plan. */
export function readCost(text: string | undefined): PlannedCost | null | undefined {
  if (text === undefined) return undefined;
  try {
    const { cost, target } = JSON.parse(text) as { cost?: PlannedCost; target?: unknown };
    return cost ?? (target === undefined ? undefined : null);
  } catch {
    return undefined;
  }
}

/** The cost of a month before and after a change, and what makes the difference. USD. */
export function costReport(before: PlannedCost | null | undefined, after: PlannedCost | null | undefined): string {
  if (after === undefined) return "Not known: `imagegen plan` of this change printed no plan; the job's log says why.";
  if (!before && after === null) return "The plan has no list of costs, as on a machine of yours.";
  const rows = [
    row("running", before?.runningUsdPerMonth, after?.runningUsdPerMonth ?? 0),
    row("stopped", before?.stoppedUsdPerMonth, after?.stoppedUsdPerMonth ?? 0),
    ...itemRows(before, after),
  ];
  const notes = [
    "List prices, without traffic, CloudWatch metrics and logs.",
    ...(before === undefined ? ["What it cost before is not known: there is no plan of the base."] : []),
    ...(before?.incomplete || after?.incomplete ? ["An item has no price, so the sums are too low."] : []),
    ...(after?.instancePriceSource ? [`The instance's: ${after.instancePriceSource}.`] : []),
  ];
  return `${table(["USD a month", "before", "after", "difference"], rows)}\n\n${notes.join(" ")}`;
}

/** Items that are not the same on both sides, before the change or after it. */
function itemRows(before: PlannedCost | null | undefined, after: PlannedCost | null): string[][] {
  if (!before) return [];
  const [old, now] = [pricesOf(before), pricesOf(after)];
  const names = [...new Set([...old.keys(), ...now.keys()])];
  return names
    .filter((name) => old.get(name) !== now.get(name) || old.has(name) !== now.has(name))
    .map((name) => [
      nameOf(name),
      shown(old, name),
      shown(now, name),
      signed((now.get(name) ?? 0) - (old.get(name) ?? 0)),
    ]);
}

const pricesOf = (cost: PlannedCost | null) => new Map(cost?.items.map(({ what, usdPerMonth }) => [what, usdPerMonth]));

/** Nothing for an item that is not there; an item without a price is one. */
function shown(prices: ReadonlyMap<string, number | null>, name: string): string {
  const price = prices.get(name);
  return price === undefined ? "" : price === null ? "no price" : price.toFixed(2);
}

function row(name: string, before: number | undefined, after: number): string[] {
  const change =
    before === undefined ? ["", after.toFixed(2), ""] : [before.toFixed(2), after.toFixed(2), signed(after - before)];
  return [name, ...change];
}

function signed(usd: number): string {
  const cents = roundUsd(usd);
  if (cents === 0) return "0.00";
  return `${cents > 0 ? "+" : "−"}${Math.abs(cents).toFixed(2)}`;
}
