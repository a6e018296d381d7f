import { DRAIN_OBJECT, stackTags } from "../../../infra/contract.ts";
import { hostUsdPerHour } from "../../../infra/plan/fleet/cost.ts";
import type { FleetPlan } from "../../../infra/plan/fleet/plan.ts";
import { TABLE_PRICES } from "../../../infra/plan/prices/prices.ts";
import { roundUsd } from "../../../infra/units.ts";
import { commandFor } from "../../core/command-line.ts";
import type { Context } from "../../core/context.ts";
import { fleetPlanOf } from "../../stack/model.ts";
import { openCloudWatch } from "../aws/client/cloudwatch.ts";
import { openEc2 } from "../aws/client/ec2.ts";
import { toCliError } from "../aws/client/errors.ts";
import { openSqs } from "../aws/client/sqs.ts";
import type { FleetStatus, StatusResult } from "../target.ts";
import { type FleetStack, isStaying, isStopped, type MarketGroup, openFleet, readGroups } from "./fleet-stack.ts";
import { readGateway } from "./gateway.ts";
import { openJobObjects, readWorkers } from "./job-objects.ts";
import { readLaunchProblems } from "./launch-failures.ts";

/** SQS sends its figures once a minute, and late where nobody has asked the queue for hours. */
const AGE_MINUTES = 15;

export async function fleetStatus(context: Context): Promise<StatusResult> {
  const { files, paths } = context;
  const fleet = await openFleet(context);
  const plan = await fleetPlanOf(paths, files.settings("fleet"), files.name);
  const groups = await readGroups(fleet);
  const [jobs, { workers, draining }, launched, problems, gateway] = await Promise.all([
    readJobs(fleet),
    lookUp("reading the job store", fleet, () => readStore(fleet)),
    readLaunchTimes(fleet),
    lookUp("reading what the groups did", fleet, () => readLaunchProblems(fleet, groups, plan)),
    lookUp("reading the gateway", fleet, () => readGateway(fleet)),
  ]);
  const isOff = isStopped(groups);
  const hosts = groups.flatMap((group) => group.hosts.filter(isStaying)).length;
  const status: FleetStatus = {
    groups: groups.map(groupStatus),
    jobs,
    workers,
    spotShare: spotShare(groups),
    draining,
    cost: hostsCost(plan, groups, launched, Date.now()),
    problems: [...problems, ...(gateway?.problem ? [gateway.problem] : [])],
    gateway: gateway?.status ?? null,
  };
  return {
    stack: fleet.name,
    mode: "fleet",
    running: !isOff || hosts > 0,
    url: fleet.gateway?.url ?? null,
    ready: null,
    pictures: null,
    cacheBytes: null,
    region: fleet.client.region,
    state: isOff || draining ? offLine(fleet.name, hosts, status) : stateLine(status),
    fleet: status,
  };
}

function groupStatus(one: MarketGroup): FleetStatus["groups"][number] {
  const { group, name, least, most, desired, hosts, market } = one;
  return {
    group,
    name,
    least,
    most,
    desired,
    inService: hosts.filter(({ state }) => state === "InService").length,
    stopped: isStopped([one]),
    hosts: hosts.map((host) => ({ ...host, market })),
  };
}

/** Of a fleet that takes no jobs, or starts no hosts. */
function offLine(stack: string, hosts: number, { draining, workers }: FleetStatus): string {
  const start = commandFor(stack, "start");
  if (!draining) return hosts === 0 ? `stopped: ${start}` : `starts no host: ${start}`;
  const left = workers.filter(({ drained }) => !drained).length;
  if (left > 0) return `drains: ${amount(left, "worker")} with a job, or not aware of it yet`;
  return `drained, no job is taken: ${start}`;
}

/** One line on whether jobs are made. */
export function stateLine({ groups, jobs, workers }: Pick<FleetStatus, "groups" | "jobs" | "workers">): string {
  const sum = (count: (group: FleetStatus["groups"][number]) => number) =>
    groups.reduce((total, group) => total + count(group), 0);
  const inService = sum((group) => group.inService);
  const desired = sum((group) => group.desired);
  const ready = workers.filter(({ phase }) => phase === "ready").length;
  if (ready > 0) return `ready: ${amount(ready, "worker")} on ${amount(inService, "host")}`;
  if (inService > 0) return `${amount(inService, "host")} in service, and no worker is ready yet`;
  if (desired > 0) return `${amount(desired, "host")} desired, none in service yet`;
  return jobs.waiting > 0 ? "jobs wait, and no host is desired yet" : "no host, as no job waits";
}

const amount = (count: number, what: string) => `${count} ${what}${count === 1 ? "" : "s"}`;

/** Null without a host. */
export function spotShare(groups: readonly Pick<MarketGroup, "market" | "hosts">[]): number | null {
  const hosts = groups.flatMap(({ market, hosts: own }) => own.filter(isStaying).map(() => market));
  return hosts.length === 0 ? null : hosts.filter((market) => market === "spot").length / hosts.length;
}

/** Of the hosts that run now, by the prices and the formula of the plan. `launched`: ISO times by id. */
export function hostsCost(
  { hosts, network }: Pick<FleetPlan, "hosts" | "network">,
  groups: readonly Pick<MarketGroup, "market" | "hosts">[],
  launched: ReadonlyMap<string, string>,
  now: number,
): FleetStatus["cost"] {
  const own = groups.flatMap(({ market, hosts: of }) => of.map((host) => ({ ...host, market })));
  const priced = own.map(({ id, type, market }) => {
    const price = hostUsdPerHour({ hosts, network, prices: TABLE_PRICES }, { type, market });
    const since = Date.parse(launched.get(id) ?? "");
    const hours = Number.isNaN(since) ? 0 : Math.max(0, now - since) / 3_600_000;
    return { price, hours };
  });
  const sources = [...new Set(priced.flatMap(({ price }) => price?.source ?? []))];
  const unknown = priced.some(({ price }) => price === null);
  const sum = (of: (one: (typeof priced)[number]) => number) =>
    roundUsd(priced.reduce((total, one) => total + of(one), 0));
  return {
    usdPerHour: unknown ? null : sum(({ price }) => price?.usd ?? 0),
    usdSoFar: unknown ? null : sum(({ price, hours }) => (price?.usd ?? 0) * hours),
    priceSource: sources.length === 0 ? null : sources.join("; "),
  };
}

async function readJobs(fleet: FleetStack): Promise<FleetStatus["jobs"]> {
  const { client, queueUrl, deadLetterQueueUrl } = fleet;
  return lookUp("reading the queue", fleet, async () => {
    const [sqs, cloudWatch] = await Promise.all([openSqs(client), openCloudWatch(client)]);
    const age = {
      namespace: "AWS/SQS",
      name: "ApproximateAgeOfOldestMessage",
      dimensions: { QueueName: queueUrl.split("/").at(-1) ?? "" },
    };
    const [jobs, dead, oldest] = await Promise.all([
      sqs.counts(queueUrl),
      sqs.counts(deadLetterQueueUrl),
      cloudWatch.latest(age, AGE_MINUTES),
    ]);
    return {
      waiting: jobs.waiting,
      taken: jobs.taken,
      deadLetters: dead.waiting + dead.taken,
      oldestSeconds: jobs.waiting + jobs.taken === 0 ? null : oldest,
    };
  });
}

/** What workers have written, and whether they are to take jobs. */
async function readStore({ client, jobStore }: FleetStack): Promise<Pick<FleetStatus, "workers" | "draining">> {
  const objects = await openJobObjects(client, jobStore);
  const [workers, drain] = await Promise.all([readWorkers(objects), objects.read(DRAIN_OBJECT)]);
  return { workers, draining: drain !== null };
}

/** When each host was started: a group does not say. */
async function readLaunchTimes(fleet: FleetStack): Promise<ReadonlyMap<string, string>> {
  return lookUp("looking for the hosts", fleet, async () => {
    const hosts = await (await openEc2(fleet.client)).hostsTagged(stackTags(fleet.name));
    return new Map(hosts.map(({ id, launchedAt }) => [id, launchedAt]));
  });
}

async function lookUp<T>(doing: string, { name }: FleetStack, look: () => Promise<T>): Promise<T> {
  try {
    return await look();
  } catch (error) {
    throw toCliError(error, `${doing} of the fleet ${name}`);
  }
}
