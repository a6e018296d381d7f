import { formatPercent, formatSeconds, formatUsd } from "../../infra/units.ts";
import { formatDetail } from "../core/exit.ts";
import type { FleetStatus } from "../targets/target.ts";

type Group = FleetStatus["groups"][number];

/** What `status` prints of a fleet: name and value. */
export function fleetRows(status: FleetStatus): [string, string][] {
  const { groups, jobs, workers, spotShare, cost, problems, gateway } = status;
  const failed = workers.filter(({ error }) => error !== null);
  return [
    ...groups.map((group): [string, string] => [group.group, describeGroup(group)]),
    ["jobs", describeJobs(jobs)],
    ...(workers.length > 0 ? [["workers", describeWorkers(workers)] as [string, string]] : []),
    ...(spotShare === null ? [] : [["on spot", formatPercent(spotShare)] as [string, string]]),
    ...(gateway === null
      ? []
      : [["gateway", `${gateway.running} of ${gateway.desired} tasks run`] as [string, string]]),
    ["cost", describeCost(cost)],
    ...failed.map(({ id, error }): [string, string] => ["problem", `worker ${id}: ${error}`]),
    ...problems.map((problem): [string, string] => ["problem", formatDetail(problem)]),
  ];
}

function describeGroup({ desired, inService, least, most, stopped, hosts }: Group): string {
  const limits = stopped ? "none is started" : `${least} to ${most}`;
  const counts = new Map<string, number>();
  for (const { type, zone, state, protectedFromScaleIn } of hosts) {
    const facts = [...(state === "InService" ? [] : [state]), ...(protectedFromScaleIn ? ["protected"] : [])];
    const what = `${type} in ${zone}${facts.length === 0 ? "" : ` (${facts.join(", ")})`}`;
    counts.set(what, (counts.get(what) ?? 0) + 1);
  }
  const list = [...counts].map(([what, count]) => `${count} ${what}`).join(", ");
  return `${inService} of ${desired} in service (${limits})${list === "" ? "" : `: ${list}`}`;
}

function describeJobs({ waiting, taken, deadLetters, oldestSeconds }: FleetStatus["jobs"]): string {
  const age = oldestSeconds === null ? "" : `, the oldest is ${formatSeconds(oldestSeconds)} old`;
  return `${waiting} waiting, ${taken} being made${age}; ${deadLetters} in the dead letters`;
}

/** "2 ready (1 busy), 1 downloading". */
function describeWorkers(workers: FleetStatus["workers"]): string {
  const counts = new Map<string, number>();
  for (const { phase } of workers) counts.set(phase, (counts.get(phase) ?? 0) + 1);
  const busy = workers.filter((worker) => worker.busy > 0).length;
  return [...counts]
    .map(([phase, count]) => `${count} ${phase}${phase === "ready" ? ` (${busy} busy)` : ""}`)
    .join(", ");
}

function describeCost({ usdPerHour, usdSoFar, priceSource }: FleetStatus["cost"]): string {
  if (usdPerHour === null || usdSoFar === null) return "no price of a host is known";
  if (priceSource === null) return "no host is paid for";
  return `${formatUsd(usdPerHour)} an hour, ${formatUsd(usdSoFar)} so far for the hosts that run (${priceSource})`;
}
