import { describe, expect, test } from "vitest";
import { gatewayProblem } from "../../../../cli/targets/fleet/gateway.ts";
import { launchProblem } from "../../../../cli/targets/fleet/launch-failures.ts";
import { hostsCost, spotShare, stateLine } from "../../../../cli/targets/fleet/status.ts";
import { hostUsdPerHour } from "../../../../infra/plan/fleet/cost.ts";
import { TABLE_PRICES } from "../../../../infra/plan/prices/prices.ts";
import { fleetPlanWith } from "../../../support/fleet-settings.ts";

const NOW = Date.parse("2026-11-28T12:00:00Z");
const host = (id: string, type = "g6.xlarge", state = "InService") => ({
  id,
  type,
  state,
  zone: "us-east-1a",
  protectedFromScaleIn: false,
});
const ago = (minutes: number) => new Date(NOW - minutes * 60_000).toISOString();

test("the cost of the hosts that run is that of their types and markets, with disk and address, since each one's launch", () => {
  const plan = fleetPlanWith();
  const groups = [
    { market: "spot", hosts: [host("i-1"), host("i-2")] },
    { market: "on-demand", hosts: [host("i-3")] },
  ] as const;
  const launched = new Map([
    ["i-1", ago(60)],
    ["i-3", ago(600)],
  ]);
  const { hosts, network } = plan;
  const price = (market: "spot" | "on-demand") =>
    hostUsdPerHour({ hosts, network, prices: TABLE_PRICES }, { type: "g6.xlarge", market })?.usd ?? 0;
  const cost = hostsCost(plan, groups, launched, NOW);
  expect(cost.usdPerHour).toBeCloseTo(2 * price("spot") + price("on-demand"), 2);
  expect(cost.usdSoFar).toBeCloseTo(price("spot") + 10 * price("on-demand"), 2);
  expect(cost.priceSource).toContain("us-east-1: ");
  // The instance alone costs what the plan's own list says; a root disk of 60 GiB is 4.80 USD a month, an address 0.005 USD an hour.
  expect(price("spot") - (plan.load.spotUsdPerHour ?? 0)).toBeCloseTo(4.8 / 730 + 0.005, 4);
  const unknown = [{ market: "spot", hosts: [host("i-1"), host("i-2", "g99.xlarge")] }] as const;
  expect(hostsCost(plan, unknown, launched, NOW)).toMatchObject({ usdPerHour: null, usdSoFar: null });
});

test("the spot share counts hosts that are there or start, and not those that end", () => {
  expect(spotShare([{ market: "spot", hosts: [] }])).toBeNull();
  const spot = [host("i-1"), host("i-2", "g6.xlarge", "Pending"), host("i-3", "g6.xlarge", "Terminating")];
  const groups = [{ market: "spot", hosts: spot } as const, { market: "on-demand", hosts: [host("i-4")] } as const];
  expect(spotShare(groups)).toBeCloseTo(2 / 3);
});

test("the state says how far the fleet is", () => {
  const line = (inService: number, desired: number, waiting: number, phases: readonly string[]) =>
    stateLine({
      groups: [
        { group: "spot", name: "g", least: 0, most: 4, desired, inService, stopped: false, hosts: [] },
        { group: "rescue", name: "h", least: 0, most: 1, desired: 0, inService: 0, stopped: false, hosts: [] },
      ],
      jobs: { waiting, taken: 0, deadLetters: 0, oldestSeconds: null },
      workers: phases.map((phase) => ({ id: phase, phase, busy: 0, takesJobs: true, drained: false, error: null })),
    });
  expect(line(0, 0, 0, [])).toBe("no host, as no job waits");
  expect(line(0, 0, 2, [])).toBe("jobs wait, and no host is desired yet");
  expect(line(0, 1, 2, [])).toBe("1 host desired, none in service yet");
  expect(line(1, 1, 2, ["downloading"])).toBe("1 host in service, and no worker is ready yet");
  expect(line(2, 2, 2, ["ready", "ready", "loading"])).toBe("ready: 2 workers on 2 hosts");
});

test("launches that failed are reported while the group has not started a host since, for an hour", () => {
  const facts = { stack: "prod", region: "us-east-1", instanceTypes: ["g6.xlarge"], rescueHosts: 0 };
  const group = { group: "spot", market: "spot", name: "image-gen-spot" } as const;
  const launch = (status: string, minutes: number, message = "InsufficientInstanceCapacity - none") => ({
    at: ago(minutes),
    status,
    what: "Launching a new EC2 instance",
    message,
  });
  const problem = (...activities: ReturnType<typeof launch>[]) => launchProblem(group, activities, facts, NOW);
  expect(problem()).toBeNull();
  expect(problem(launch("Successful", 1), launch("Failed", 2))).toBeNull();
  expect(problem(launch("Failed", 61))).toBeNull();
  expect(problem({ ...launch("Failed", 2), what: "Terminating EC2 instance: i-1" })).toBeNull();
  expect(problem(launch("Failed", 2), launch("InProgress", 3), launch("Failed", 4))).toEqual({
    message: `spot: 2 launches failed in the last hour, the last one at ${ago(2)}: InsufficientInstanceCapacity - none`,
    fix: "imagegen up --config instanceTypes=g6.xlarge,<another> --stack prod, or imagegen up --config rescueHosts=1 --stack prod",
  });
  expect(problem(launch("Failed", 2, "Access denied when attempting to assume role"))?.fix).toBe(
    "aws autoscaling describe-scaling-activities --auto-scaling-group-name image-gen-spot --region us-east-1",
  );
});

describe("a gateway with fewer tasks than it is to have", () => {
  const service = { desired: 2, running: 2, deployments: [], events: [] };
  const primary = (rollout: string, reason = "") => ({ status: "PRIMARY", rollout, reason });

  test("says nothing while its tasks start", () => {
    expect(gatewayProblem("s", service)).toBeNull();
    const events = [{ at: "", message: "(service g) has started 2 tasks: (task 1) (task 2)." }];
    expect(gatewayProblem("s", { ...service, running: 0, deployments: [primary("IN_PROGRESS")], events })).toBeNull();
  });

  test("says why a deployment has failed, until another one is complete", () => {
    const failed = {
      status: "ACTIVE",
      rollout: "FAILED",
      reason: "ECS deployment circuit breaker: tasks failed to start.",
    };
    expect(gatewayProblem("s", { ...service, deployments: [primary("IN_PROGRESS"), failed] })).toEqual({
      message: "gateway: its tasks do not start: ECS deployment circuit breaker: tasks failed to start.",
      fix: "imagegen logs --container --stack s, then imagegen up --stack s",
    });
    expect(gatewayProblem("s", { ...service, deployments: [primary("COMPLETED"), failed] })).toBeNull();
  });
});
