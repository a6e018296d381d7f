/**
 * A fleet in time. In: the plan's own policies, jobs by a trace, a market. Out: how long jobs waited, and hours of hosts. Evaluates what the
 * program makes of the plan; what AWS does with it is as its documents say: a minute's figures come a minute later, an alarm acts each minute while it is true.
 */

import { FLEET_RATES } from "../../infra/plan/fleet/forecast.ts";
import type { FleetPlan } from "../../infra/plan/fleet/plan.ts";
import type { ScalingPolicy, Series, Trigger } from "../../infra/plan/fleet/scaling.ts";
import { evaluate, type Figures } from "./expression.ts";
import { HostGroup } from "./groups.ts";

export interface Market {
  /** Whether there is capacity for a spot host at this second. */
  readonly hasSpot: (now: number) => boolean;
  /** Seconds that a spot host lives on average where there is capacity, and where there is none any more. */
  readonly spotSeconds: number;
  readonly lostSpotSeconds: number;
}

export interface Simulation {
  readonly plan: FleetPlan;
  /** Seconds at which jobs come, in order. */
  readonly arrivals: readonly number[];
  readonly seconds: number;
  readonly market: Market;
  /** From 0 to below 1; the same seed gives the same numbers. */
  readonly random: () => number;
}

export interface Outcome {
  /** Seconds from each job's arrival to its picture, in order of their ends. */
  readonly turnaround: readonly number[];
  readonly spotHours: number;
  readonly rescueHours: number;
  /** Jobs that came back since their host went. */
  readonly handedBack: number;
  readonly unfinished: number;
}

const TICK = 1;
const MINUTE = 60;
/** Auto Scaling's own, of a target that is tracked: documented for figures of a minute. */
const TRACKING_MINUTES = 3;

export function simulate({ plan, arrivals, seconds, market, random }: Simulation): Outcome {
  const { hosts: hostPlan, scaling, forecast, load } = plan;
  const spot = new HostGroup("spot", hostPlan.minHosts, hostPlan.maxHosts);
  const rescue = new HostGroup("rescue", 0, hostPlan.rescueHosts);
  const groups = { spot, rescue };
  const waiting: number[] = [];
  const turnaround: number[] = [];
  const history: Figures[] = [];
  let [next, sent, handedBack] = [0, 0, 0];

  const giveBack = (jobs: readonly number[]) => {
    handedBack += jobs.length;
    waiting.unshift(...jobs);
  };
  for (let now = 0; now < seconds; now += TICK) {
    for (; (arrivals[next] ?? Number.POSITIVE_INFINITY) <= now; next += 1) {
      waiting.push(arrivals[next] ?? now);
      sent += 1;
    }
    for (const group of [spot, rescue]) {
      for (const host of [...group.hosts]) {
        group.hostSeconds += TICK;
        if (host.job && host.job.endsAt <= now) {
          turnaround.push(now - host.job.arrivedAt);
          host.job = null;
          host.busyAt = now;
        }
        const life = market.hasSpot(now) ? market.spotSeconds : market.lostSpotSeconds;
        if (group === spot && random() < TICK / life) giveBack(group.lose(host));
        else if (host.job === null && host.readyAt <= now) {
          const arrivedAt = waiting.shift();
          if (arrivedAt !== undefined) host.job = { arrivedAt, endsAt: now + load.secondsPerPicture };
        }
      }
      const lacking = group.desired - group.hosts.length;
      if (lacking < 0) group.end(-lacking, now);
      for (let count = 0; count < lacking && (group === rescue || market.hasSpot(now)); count += 1)
        group.hosts.push({
          group: group.name,
          launchedAt: now,
          inServiceAt: now + FLEET_RATES.launchSeconds,
          readyAt: now + forecast.warmUpSeconds,
          job: null,
          busyAt: Number.NEGATIVE_INFINITY,
        });
    }
    if (now % MINUTE !== 0) continue;
    // The minute before is what CloudWatch knows now.
    act(now);
    history.push(look(now));
    sent = 0;
  }
  return {
    turnaround,
    spotHours: spot.hostSeconds / 3600,
    rescueHours: rescue.hostSeconds / 3600,
    handedBack,
    unfinished: waiting.length + [...spot.hosts, ...rescue.hosts].filter(({ job }) => job !== null).length,
  };

  function look(now: number): Figures {
    const busy = [...spot.hosts, ...rescue.hosts].flatMap(({ job }) => job ?? []);
    const oldest = Math.min(...waiting, ...busy.map(({ arrivedAt }) => arrivedAt));
    return {
      visible: waiting.length,
      taken: busy.length,
      sent,
      age: Number.isFinite(oldest) ? now - oldest : 0,
      spot: spot.inService(now),
      rescue: rescue.inService(now),
      spot_wanted: spot.desired,
      rescue_wanted: rescue.desired,
    };
  }

  function act(now: number): void {
    for (const { trigger, policies } of scaling.rules) {
      const figure = breached(trigger);
      if (figure === undefined) continue;
      for (const policy of policies) apply(policy, figure - trigger.threshold, now);
    }
    const { expression, target, group, series } = scaling.tracking;
    const figures = lastMinutes(TRACKING_MINUTES, expression, series);
    const last = figures?.at(-1);
    if (last === undefined || !figures?.every((figure) => figure > target)) return;
    const wanted = Math.ceil((Math.max(1, spot.inService(now)) * last) / target);
    if (wanted > groups[group].desired) groups[group].want(wanted);
  }

  /** The figure of the last minute, where it was true for as many minutes as the alarm asks. */
  function breached({ expression, series, comparison, threshold, minutes }: Trigger): number | undefined {
    const figures = lastMinutes(minutes, expression, series);
    const isTrue = (figure: number) =>
      comparison === "below"
        ? figure < threshold
        : comparison === "at most"
          ? figure <= threshold
          : figure >= threshold;
    return figures?.every(isTrue) ? figures.at(-1) : undefined;
  }

  function lastMinutes(minutes: number, expression: string, series: readonly Series[]): number[] | undefined {
    if (history.length < minutes) return undefined;
    const values = history.slice(-minutes).map((figures) => {
      const named = Object.fromEntries(series.map(({ id }) => [id, figures[id]]));
      return evaluate(expression, named);
    });
    return values.every((value) => value !== undefined) ? values : undefined;
  }

  function apply(policy: ScalingPolicy, above: number, now: number): void {
    const group = groups[policy.group];
    const { action } = policy;
    if (action.kind === "steps") {
      const step = action.steps.find(({ from, to }) => above >= from && (to === null || above < to));
      const more =
        (step?.hosts ?? 0) - Math.max(group.warming(now, forecast.warmUpSeconds), group.desired - group.hosts.length);
      if (more > 0) group.want(group.desired + more);
      return;
    }
    if (group.calmUntil > now) return;
    const wanted = action.kind === "be" ? action.hosts : group.desired + action.hosts;
    if (wanted === group.desired) return;
    group.want(wanted);
    group.calmUntil = now + action.cooldownSeconds;
  }
}
