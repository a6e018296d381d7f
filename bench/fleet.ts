/**
 * `npm run bench:fleet [-- --pictures N --days N --seed N --config key=value --bars FACTOR]`: how long jobs of a fleet wait and what they cost, by the policies that its plan
 * has, for markets with more and with less spot capacity, with the rescue and without it. Nothing of it is measured on AWS.
 */
import { parseArgs } from "node:util";
import { parseSettings } from "../infra/config/parse.ts";
import { wordForPulumi } from "../infra/config/problem.ts";
import { readManifest } from "../infra/io/manifests.ts";
import { type FleetPlan, makeFleetPlan } from "../infra/plan/fleet/plan.ts";
import { SERVICE_PRICES } from "../infra/plan/prices/service-prices.ts";
import { barsFactor, FORECAST_OFF } from "./bars.ts";
import { marketOf, poisson, seeded, shareOf } from "./fleet/market.ts";
import { simulate } from "./fleet/simulate.ts";

const { values } = parseArgs({
  options: {
    pictures: { type: "string", default: "20000" },
    days: { type: "string", default: "14" },
    seed: { type: "string", default: "1" },
    config: { type: "string", multiple: true, default: [] },
    bars: { type: "string" },
  },
});
const [pictures, days, seed] = [values.pictures, values.days, values.seed].map(Number) as [number, number, number];
const seconds = days * 86_400;
const bar = FORECAST_OFF * barsFactor(values.bars);

function planWith(config: Readonly<Record<string, string>>): FleetPlan {
  const own = Object.fromEntries(values.config.map((pair) => pair.split("=", 2)));
  const parsed = parseSettings({ target: "fleet", ...own, ...config }, { region: SERVICE_PRICES.region });
  if ("problems" in parsed) throw new Error(parsed.problems.map(wordForPulumi).join("\n"));
  if (parsed.settings.target !== "fleet") throw new Error("another target");
  return makeFleetPlan(parsed.settings, readManifest(parsed.settings.modelId), "bench", { pictures });
}

function run(plan: FleetPlan, spotShare: number) {
  const random = seeded(seed);
  const arrivals = poisson(pictures / (SERVICE_PRICES.hoursPerMonth * 3600), seconds, random);
  const outcome = simulate({ plan, arrivals, seconds, market: marketOf(spotShare, seconds, random), random });
  const { spotUsdPerHour, onDemandUsdPerHour } = plan.load;
  const usd = outcome.spotHours * (spotUsdPerHour ?? 0) + outcome.rescueHours * (onDemandUsdPerHour ?? 0);
  const done = outcome.turnaround.length;
  return {
    ...outcome,
    done,
    usdPer1000: (usd / Math.max(1, done)) * 1000,
    monthHours: (outcome.spotHours * 30.42) / days,
  };
}

const plan = planWith({});
console.log(
  `${pictures} pictures a month at random times, ${plan.load.secondsPerPicture} s each, ${days} days, seed ${seed}`,
);
console.log("spot   rescue   p50     p95     longest   handed back   spot h   on demand h   USD per 1,000, instances");
for (const spotShare of [1, 0.8, 0.5, 0])
  for (const rescueHosts of ["1", "0"]) {
    const { turnaround, spotHours, rescueHours, handedBack, usdPer1000, unfinished } = run(
      planWith({ rescueHosts }),
      spotShare,
    );
    const at = (share: number) => `${Math.round(shareOf(turnaround, share))} s`.padEnd(8);
    const stuck = unfinished > 10 ? `, ${unfinished} not made` : "";
    console.log(
      `${String(spotShare * 100).padStart(3)} %  ${rescueHosts.padEnd(7)}  ${at(0.5)}${at(0.95)}${at(1)}  ${String(handedBack).padEnd(12)}  ` +
        `${spotHours.toFixed(0).padEnd(7)}  ${rescueHours.toFixed(0).padEnd(12)}  ${usdPer1000.toFixed(2)}${stuck}`,
    );
  }

const ideal = run(plan, 1);
const off = Math.abs(ideal.monthHours / plan.load.hostHours - 1);
console.log(
  `the plan's host hours: ${plan.load.hostHours} a month, simulated with all spot capacity ${ideal.monthHours.toFixed(0)}: ${(off * 100).toFixed(1)} % off`,
);
if (off >= bar) {
  console.error(`expected less than ${bar * 100} %`);
  process.exitCode = 1;
}
