import { notRunning } from "../../core/command-line.ts";
import type { Context } from "../../core/context.ts";
import { type AutoScaling, type HostGroup, openAutoScaling } from "../aws/client/auto-scaling.ts";
import { type AwsClientConfig, awsClientConfig } from "../aws/client/client-config.ts";
import { toCliError } from "../aws/client/errors.ts";
import { openSqs } from "../aws/client/sqs.ts";
import { readState, stackOutputs } from "../aws/stack/state.ts";

/** A deployed fleet: what the last `up` has left as outputs, and the client for its groups. */
export interface FleetStack {
  readonly name: string;
  readonly client: AwsClientConfig;
  readonly scaling: AutoScaling;
  readonly queueUrl: string;
  readonly deadLetterQueueUrl: string;
  /** `s3://bucket/prefix`. */
  readonly jobStore: string;
  readonly logGroup: string;
  /** Names of the groups: of spot hosts, and of on-demand ones where there is one. */
  readonly groupNames: { readonly spot: string; readonly rescue: string | null };
  /** Null: there is none. */
  readonly gateway: GatewayStack | null;
}

interface GatewayStack {
  readonly url: string;
  /** Of ECS. */
  readonly cluster: string;
  readonly service: string;
}

/** Reads Pulumi's state; no call to AWS yet. Throws a CliError where no `up` has succeeded. */
export async function openFleet(context: Context): Promise<FleetStack> {
  const { files } = context;
  const client = awsClientConfig(files.name, files.config());
  const outputs = stackOutputs(await readState(context));
  const text = (name: string): string => {
    const value = outputs[name];
    if (typeof value === "string" && value !== "") return value;
    throw notRunning(files.name, `The fleet ${files.name} is not deployed, or its last up did not end.`);
  };
  const optional = (name: string): string | null => {
    const value = outputs[name];
    return typeof value === "string" && value !== "" ? value : null;
  };
  const [url, cluster, service] = [optional("url"), optional("gatewayCluster"), optional("gatewayService")];
  return {
    name: files.name,
    client,
    scaling: await openAutoScaling(client),
    queueUrl: text("queueUrl"),
    deadLetterQueueUrl: text("deadLetterQueueUrl"),
    jobStore: text("jobStore"),
    logGroup: text("logGroup"),
    groupNames: { spot: text("spotGroup"), rescue: optional("rescueGroup") },
    gateway: url !== null && cluster !== null && service !== null ? { url, cluster, service } : null,
  };
}

/** A group of the fleet, and how its hosts are paid for. */
export interface MarketGroup extends HostGroup {
  readonly group: "spot" | "rescue";
  readonly market: "spot" | "on-demand";
}

/** The groups as they are now. Throws a CliError where one is gone. */
export async function readGroups({ name, scaling, groupNames }: FleetStack): Promise<readonly MarketGroup[]> {
  const wanted = [
    { group: "spot", market: "spot", named: groupNames.spot },
    { group: "rescue", market: "on-demand", named: groupNames.rescue },
  ] as const;
  try {
    const found = await scaling.groups(wanted.flatMap(({ named }) => named ?? []));
    return wanted.flatMap(({ group, market, named }) => {
      if (named === null) return [];
      const one = found.find((each) => each.name === named);
      if (one) return [{ ...one, group, market }];
      throw notRunning(name, `The Auto Scaling group ${named} of the fleet ${name} does not exist any more.`);
    });
  } catch (error) {
    throw toCliError(error, `looking for the hosts of the fleet ${name}`);
  }
}

/** About how many jobs there are. Errors are the SDK's own. */
export async function jobsIn({ client, queueUrl }: FleetStack): Promise<number> {
  const { waiting, taken } = await (await openSqs(client)).counts(queueUrl);
  return waiting + taken;
}

/** Processes of a group that are suspended while a fleet is stopped: no policy asks for hosts, and none is started. */
export const STOPPED_PROCESSES = ["Launch", "AlarmNotification"] as const;

/** Whether no host is started whatever waits: by `stop`, or by a maximum of 0. */
export const isStopped = (groups: readonly HostGroup[]): boolean =>
  groups.every(({ most, suspended }) => most === 0 || suspended.includes("Launch"));

/** Whether the group counts the host among its own, and does not end it. */
export const isStaying = ({ state }: HostGroup["hosts"][number]): boolean => !state.startsWith("Terminat");
