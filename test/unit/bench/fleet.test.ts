/** The simulation of a fleet evaluates what the program emits, and the plan's forecasts agree with it. */
import { execa } from "execa";
import { describe, expect, test } from "vitest";
import { FORECAST_OFF } from "../../../bench/bars.ts";
import { evaluate } from "../../../bench/fleet/expression.ts";
import { marketOf, poisson, seeded, shareOf } from "../../../bench/fleet/market.ts";
import { simulate } from "../../../bench/fleet/simulate.ts";
import { fleetPlanWith } from "../../support/fleet-settings.ts";

describe("an expression", () => {
  test.each([
    ["FILL(a, 0) + 2 * b", { a: undefined, b: 3 }, 6],
    ["IF((FILL(a, 0) + FILL(b, 0)) < 1, FILL(c, 0), 0)", { a: 0, b: 0, c: 4 }, 4],
    ["IF(a > 1, 8 / IF(a > 1, a - 1, 1), 1)", { a: 3 }, 4],
    ["IF(a > 1, 8 / IF(a > 1, a - 1, 1), 1)", { a: 1 }, 1],
    ["8 / a", { a: 0 }, undefined],
    ["a", { a: undefined }, undefined],
  ])("%s with %j is %d", (expression, figures, value) => {
    expect(evaluate(expression, figures)).toBe(value);
  });

  test("that names what is not there, or has more than one, is refused", () => {
    expect(() => evaluate("a + b", { a: 1 })).toThrow("no figure is called b");
    expect(() => evaluate("a b", { a: 1, b: 1 })).toThrow("more than an expression");
    expect(() => evaluate("MAX(a)", { a: 1 })).toThrow("no figure is called MAX");
  });
});

const DAY = 86_400;

/** The jobs come at these seconds; there is spot capacity for this share of the time. */
function outcomeOf(raw: Record<string, string>, arrivals: readonly number[], { share = 1, seconds = DAY } = {}) {
  const random = seeded(7);
  const plan = fleetPlanWith(raw);
  return { plan, ...simulate({ plan, arrivals, seconds, market: marketOf(share, seconds, random), random }) };
}

describe("a fleet", () => {
  test("makes its first picture from zero as soon as the plan says, within 15 %", () => {
    const { plan, turnaround } = outcomeOf({}, [1000]);
    expect(turnaround).toHaveLength(1);
    expect(Math.abs((turnaround[0] ?? 0) / plan.forecast.zeroSeconds - 1)).toBeLessThan(FORECAST_OFF);
  });

  test("of 20,000 pictures a month has the hours of hosts that the plan says, within 15 %", () => {
    const seconds = 7 * DAY;
    const { plan, spotHours, rescueHours, unfinished } = outcomeOf(
      {},
      poisson(20_000 / (730 * 3600), seconds, seeded(3)),
      { seconds },
    );
    expect(Math.abs(((spotHours + rescueHours) * (730 / 168)) / plan.load.hostHours - 1)).toBeLessThan(FORECAST_OFF);
    expect(unfinished).toBeLessThan(5);
  });

  test("ends its hosts after the idle time, and none before", () => {
    const { plan, spotHours } = outcomeOf({}, [1000]);
    const least = (plan.forecast.warmUpSeconds + 15 * 60) / 3600;
    expect(spotHours).toBeGreaterThan(least);
    expect(spotHours).toBeLessThan(least + 0.2);
  });

  test("adds hosts for a batch, up to the most that are allowed, and makes all of it", () => {
    const batch = Array.from({ length: 600 }, () => 1000);
    const [few, many] = [outcomeOf({ maxHosts: "1", rescueHosts: "0" }, batch), outcomeOf({ maxHosts: "8" }, batch)];
    expect([few.turnaround.length, many.turnaround.length]).toEqual([600, 600]);
    expect(shareOf(many.turnaround, 1)).toBeLessThan(0.4 * shareOf(few.turnaround, 1));
  });

  test("without spot capacity is rescued by on-demand hosts, and stands still without them", () => {
    const jobs = Array.from({ length: 20 }, (_, index) => 1000 + index);
    const rescued = outcomeOf({}, jobs, { share: 0 });
    expect(rescued.turnaround).toHaveLength(20);
    expect([rescued.spotHours, rescued.rescueHours > 0]).toEqual([0, true]);
    const left = outcomeOf({ rescueHosts: "0" }, jobs, { share: 0 });
    expect([left.turnaround.length, left.unfinished]).toEqual([0, 20]);
  });

  test("has no job handed back by a policy: hosts with jobs are protected from scale-in", () => {
    const seconds = 4 * DAY;
    const { turnaround, rescueHours, handedBack } = outcomeOf({}, poisson(0.04, seconds, seeded(5)), {
      share: 0,
      seconds,
    });
    expect(turnaround.length).toBeGreaterThan(5000);
    // The market takes no on-demand host, so that the policies have ended some.
    expect(rescueHours).toBeLessThan(90);
    expect(handedBack).toBe(0);
  });

  test("misses spot hosts although an on-demand host stays beyond its group's count, until its job is done", () => {
    const { expression = "" } = fleetPlanWith().alarms.find(({ name }) => name === "no-capacity")?.trigger ?? {};
    const missing = (spot: readonly [number, number], rescue: readonly [number, number]) =>
      evaluate(expression, { spot_wanted: spot[0], spot: spot[1], rescue_wanted: rescue[0], rescue: rescue[1] });
    expect(missing([3, 2], [0, 1])).toBe(1);
    expect(missing([3, 2], [1, 0])).toBe(2);
    expect(missing([1, 3], [0, 0])).toBe(0);
  });

  test("loses no job with the hosts that it loses", () => {
    const seconds = 2 * DAY;
    const arrivals = poisson(0.05, seconds - 7200, seeded(5));
    const { turnaround, handedBack, unfinished } = outcomeOf({ maxHosts: "6" }, arrivals, { share: 0.5, seconds });
    expect(handedBack).toBeGreaterThan(0);
    expect(turnaround.length + unfinished).toBe(arrivals.length);
  });
});

test.each([
  ["1", 0],
  ["0", 1],
])("bench:fleet with bars of %s exits with %d", async (bars, code) => {
  const options = ["--days", "2", "--bars", bars];
  const ended = await execa(process.execPath, ["bench/fleet.ts", ...options], { reject: false, all: true });
  expect([ended.exitCode, ended.all]).toEqual([code, expect.stringContaining("the plan's host hours: ")]);
});
