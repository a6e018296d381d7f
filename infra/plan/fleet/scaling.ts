/**
 * When hosts start and end: plain data that the program makes policies and alarms of, and that a simulation can evaluate. A metric is a minute's
 * value; expressions are CloudWatch's.
 */
import type { FleetSettings } from "../../config/fleet/settings.ts";

export type FleetGroup = "spot" | "rescue";

/** A metric of CloudWatch that an expression names by its id. */
export interface Series {
  readonly id: string;
  readonly metric: string;
  /** `balancer`, `targets`: of the gateway's load balancer, and of its tasks behind that. */
  readonly of: "queue" | FleetGroup | "balancer" | "targets";
  readonly stat: "Maximum" | "Sum" | "Average";
}

/** A figure that is compared each minute. */
export interface Trigger {
  readonly expression: string;
  readonly series: readonly Series[];
  readonly comparison: "at least" | "at most" | "below";
  readonly threshold: number;
  /** Minutes in a row in which it has to be true. */
  readonly minutes: number;
}

/** Hosts to add, or to end up with, where the figure is this far above the trigger's threshold. */
interface Step {
  readonly from: number;
  /** Null: without an end. */
  readonly to: number | null;
  readonly hosts: number;
}

export interface ScalingPolicy {
  readonly name: string;
  readonly group: FleetGroup;
  readonly why: string;
  /** `add`: this many more, or fewer where negative. `be`: this many. */
  readonly action:
    | { readonly kind: "steps"; readonly steps: readonly Step[] }
    | { readonly kind: "add" | "be"; readonly hosts: number; readonly cooldownSeconds: number };
}

/** An alarm, and the policies that it starts. */
interface ScalingRule {
  readonly name: string;
  readonly when: string;
  readonly trigger: Trigger;
  readonly policies: readonly ScalingPolicy[];
}

/** As many hosts as bring a figure to its target; only more of them, never fewer. */
interface TargetTracking {
  readonly name: string;
  readonly group: FleetGroup;
  readonly when: string;
  readonly expression: string;
  readonly series: readonly Series[];
  readonly target: number;
}

export interface ScalingPlan {
  readonly rules: readonly ScalingRule[];
  readonly tracking: TargetTracking;
  readonly formulas: Readonly<Record<string, string>>;
}

/** Spot hosts are added when the wait is this share of the patience, so that they come before a job has waited for all of it. */
const SPOT_SHARE = 0.5;
/** On-demand hosts are given up once the oldest job has waited for less than this share, for so many minutes. */
const CALM_SHARE = 0.5;
const CALM_MINUTES = 10;
/** A host is given up where the others would still be busy for less than this share of their time. */
export const MOST_BUSY = 0.7;
const SLACK_MINUTES = 10;
/** Until the next host is given up: the figures are a minute or two behind. */
const COOLDOWN_SECONDS = 300;

const queue = (id: string, metric: string, stat: Series["stat"] = "Maximum"): Series => ({
  id,
  metric,
  of: "queue",
  stat,
});
const VISIBLE = queue("visible", "ApproximateNumberOfMessagesVisible");
const IN_FLIGHT = queue("taken", "ApproximateNumberOfMessagesNotVisible");
const SENT = queue("sent", "NumberOfMessagesSent", "Sum");
const AGE = queue("age", "ApproximateAgeOfOldestMessage");

const of = (group: FleetGroup, id: string, metric: string): Series => ({ id, metric, of: group, stat: "Average" });
const HOSTS = {
  spot: of("spot", "spot", "GroupInServiceInstances"),
  rescue: of("rescue", "rescue", "GroupInServiceInstances"),
};
const WANTED = {
  spot: of("spot", "spot_wanted", "GroupDesiredCapacity"),
  rescue: of("rescue", "rescue_wanted", "GroupDesiredCapacity"),
};
/** What the groups send to CloudWatch each minute. */
export const GROUP_METRICS = ["GroupDesiredCapacity", "GroupInServiceInstances"] as const;

/** A series as a number: a queue that nobody uses, and a group that is new, send nothing. */
const filled = ({ id }: Series) => `FILL(${id}, 0)`;
const sum = (series: readonly Series[]) => series.map(filled).join(" + ");

export function planScaling(settings: FleetSettings): ScalingPlan {
  const { minHosts, rescueHosts, patienceSeconds: patience, secondsPerPicture: seconds, idleMinutes } = settings;
  const groups: readonly FleetGroup[] = rescueHosts > 0 ? ["spot", "rescue"] : ["spot"];
  const running = groups.map((group) => HOSTS[group]);
  const wanted = groups.map((group) => WANTED[group]);
  const hosts = `(${sum(running)})`;
  const jobs = `(${sum([VISIBLE, IN_FLIGHT])})`;
  const rules: ScalingRule[] = [
    {
      name: "wake",
      when: "A job waits, and no host is there or on its way.",
      trigger: {
        expression: `IF((${sum(wanted)}) < 1, ${filled(VISIBLE)}, 0)`,
        series: [VISIBLE, ...wanted],
        comparison: "at least",
        threshold: 1,
        minutes: 1,
      },
      policies: [add("wake", "spot", "The first host.", [{ from: 0, to: null, hosts: 1 }])],
    },
    {
      name: "slack",
      when: `The other hosts would be busy for less than ${MOST_BUSY * 100} % of their time.`,
      trigger: {
        // A division by zero is no figure at all, even where the other branch counts.
        expression: `IF(${filled(HOSTS.spot)} > 1, ${jobs} / IF(${hosts} > 1, ${hosts} - 1, 1), 1)`,
        series: [VISIBLE, IN_FLIGHT, ...running],
        comparison: "below",
        threshold: MOST_BUSY,
        minutes: SLACK_MINUTES,
      },
      policies: [
        {
          name: "slack",
          group: "spot",
          why: "One host fewer.",
          action: { kind: "add", hosts: -1, cooldownSeconds: COOLDOWN_SECONDS },
        },
      ],
    },
    {
      name: "idle",
      when: `No job came, waited or was made for ${idleMinutes} minutes.`,
      trigger: {
        expression: `IF(${hosts} > ${minHosts}, ${sum([VISIBLE, IN_FLIGHT, SENT])}, 1)`,
        series: [VISIBLE, IN_FLIGHT, SENT, ...running],
        comparison: "at most",
        threshold: 0,
        minutes: idleMinutes,
      },
      policies: groups.map((group) => ({
        name: `idle-${group}`,
        group,
        why: "The hosts that are always there remain.",
        action: { kind: "be", hosts: group === "spot" ? minHosts : 0, cooldownSeconds: COOLDOWN_SECONDS },
      })),
    },
  ];
  return {
    rules: [...rules, ...(rescueHosts > 0 ? rescueRules(patience) : [])],
    tracking: {
      name: "backlog",
      group: "spot",
      when: `A job that comes now would wait for ${SPOT_SHARE * 100} % of the patience or more.`,
      expression: `${filled(VISIBLE)} * ${seconds} / IF(${hosts} > 0, ${hosts}, 1)`,
      series: [VISIBLE, ...running],
      target: patience * SPOT_SHARE,
    },
    formulas: {
      "wait of a new job": "visible jobs × secondsPerPicture / hosts",
      "spot hosts": `as many as bring that to ${SPOT_SHARE} × patienceSeconds, from minHosts to maxHosts`,
      "on-demand hosts":
        "one more when the oldest job is patienceSeconds old, two when it is twice as old, up to rescueHosts",
      fewer: `one at a time while (waiting + being made) / (hosts − 1) is below ${MOST_BUSY}; all above minHosts after idleMinutes without a job`,
    },
  };
}

function rescueRules(patience: number): ScalingRule[] {
  return [
    {
      name: "rescue",
      when: "The oldest job has waited for the whole patience: spot hosts did not come in time.",
      trigger: { expression: filled(AGE), series: [AGE], comparison: "at least", threshold: patience, minutes: 1 },
      policies: [
        add("rescue", "rescue", "On-demand hosts.", [
          { from: 0, to: patience, hosts: 1 },
          { from: patience, to: null, hosts: 2 },
        ]),
      ],
    },
    {
      name: "calm",
      when: `The oldest job has waited for less than ${CALM_SHARE * 100} % of the patience, for ${CALM_MINUTES} minutes.`,
      trigger: {
        expression: `IF(${filled(HOSTS.rescue)} > 0, ${filled(AGE)}, ${patience})`,
        series: [AGE, HOSTS.rescue],
        comparison: "below",
        threshold: patience * CALM_SHARE,
        minutes: CALM_MINUTES,
      },
      policies: [
        {
          name: "calm",
          group: "rescue",
          why: "One on-demand host fewer.",
          action: { kind: "add", hosts: -1, cooldownSeconds: COOLDOWN_SECONDS },
        },
      ],
    },
  ];
}

const add = (name: string, group: FleetGroup, why: string, steps: readonly Step[]): ScalingPolicy => ({
  name,
  group,
  why,
  action: { kind: "steps", steps },
});

const lacking = (wanted: string, running: string) => `IF(${wanted} > ${running}, ${wanted} - ${running}, 0)`;

/** Minutes in which hosts are wanted and not there, after which somebody is notified. */
const MISSING_MINUTES = 15;

/** Alarms that start nothing and tell somebody. */
export interface FleetAlarm {
  readonly name: string;
  readonly description: string;
  readonly trigger: Trigger;
  /** Of the dead letters. */
  readonly ofDeadLetters: boolean;
  /** Whether it is also raised where the figures are not sent at all. */
  readonly missingIsBad?: boolean;
}

/** Minutes in which requests fail: longer than a start from zero, in which requests that wait for pictures get 503 `no_worker`. */
const FAILING_MINUTES = 15;
/** A task that is replaced is unhealthy for less. */
const UNHEALTHY_MINUTES = 5;
/** Longer than the first tasks of a new gateway take to pull their image. */
const NO_GATEWAY_MINUTES = 10;

const balancer = (of: "balancer" | "targets", id: string, metric: string, stat: Series["stat"]): Series => ({
  id,
  metric,
  of,
  stat,
});
const UNHEALTHY = balancer("targets", "unhealthy", "UnHealthyHostCount", "Maximum");
// Of one task, a zone of the balancer has none: the most of any zone says whether there is one at all.
const HEALTHY = balancer("targets", "healthy", "HealthyHostCount", "Maximum");
const TASK_ERRORS = balancer("targets", "task_errors", "HTTPCode_Target_5XX_Count", "Sum");
const BALANCER_ERRORS = balancer("balancer", "balancer_errors", "HTTPCode_ELB_5XX_Count", "Sum");

/** Alarms of the gateway, where there is one. */
function gatewayAlarms({ gatewayCount }: FleetSettings): readonly FleetAlarm[] {
  if (gatewayCount === 0) return [];
  const errors = [TASK_ERRORS, BALANCER_ERRORS];
  return [
    {
      name: "gateway-unhealthy",
      description: "A task of the gateway does not answer the load balancer.",
      trigger: {
        expression: filled(UNHEALTHY),
        series: [UNHEALTHY],
        comparison: "at least",
        threshold: 1,
        minutes: UNHEALTHY_MINUTES,
      },
      ofDeadLetters: false,
    },
    {
      name: "gateway-gone",
      description: "No task of the gateway answers: requests get 503 of the load balancer.",
      trigger: {
        expression: HEALTHY.id,
        series: [HEALTHY],
        comparison: "below",
        threshold: 1,
        minutes: NO_GATEWAY_MINUTES,
      },
      ofDeadLetters: false,
      missingIsBad: true,
    },
    {
      name: "gateway-errors",
      description: `Requests to the gateway have failed for ${FAILING_MINUTES} minutes (5xx): the queue or the job store, tasks that end, or no worker for that long.`,
      trigger: {
        expression: sum(errors),
        series: errors,
        comparison: "at least",
        threshold: 1,
        minutes: FAILING_MINUTES,
      },
      ofDeadLetters: false,
    },
  ];
}

export function planFleetAlarms(settings: FleetSettings): readonly FleetAlarm[] {
  const { patienceSeconds, rescueHosts } = settings;
  const groups: readonly FleetGroup[] = rescueHosts > 0 ? ["spot", "rescue"] : ["spot"];
  const wanted = groups.map((group) => WANTED[group]);
  const running = groups.map((group) => HOSTS[group]);
  const plain = (trigger: Omit<Trigger, "expression">): Trigger => ({
    ...trigger,
    expression: filled(trigger.series[0] ?? AGE),
  });
  return [
    {
      name: "jobs-wait",
      description: "The oldest job has waited for twice the patience, in spite of all hosts that may start.",
      trigger: plain({ series: [AGE], comparison: "at least", threshold: 2 * patienceSeconds, minutes: 2 }),
      ofDeadLetters: false,
    },
    {
      name: "dead-letters",
      description: "A job could not be made: the message has the attribute reason.",
      trigger: plain({ series: [VISIBLE], comparison: "at least", threshold: 1, minutes: 1 }),
      ofDeadLetters: true,
    },
    {
      name: "no-capacity",
      description: "Hosts are wanted and do not come: no capacity, a quota, or a launch that fails.",
      trigger: {
        // By group: one that keeps hosts with jobs beyond its desired count makes up for none of the other's.
        expression: groups.map((group) => lacking(filled(WANTED[group]), filled(HOSTS[group]))).join(" + "),
        series: [...wanted, ...running],
        comparison: "at least",
        threshold: 1,
        minutes: MISSING_MINUTES,
      },
      ofDeadLetters: false,
    },
    ...gatewayAlarms(settings),
  ];
}
