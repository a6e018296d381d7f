import { stackTags, statusParameter } from "../../../../infra/contract.ts";
import { type HostStatus, parseHostStatus } from "../../../../infra/readiness/host-status.ts";
import { notRunning } from "../../../core/command-line.ts";
import type { Context } from "../../../core/context.ts";
import { type AwsClientConfig, awsClientConfig } from "../client/client-config.ts";
import { openEc2 } from "../client/ec2.ts";
import type { Host } from "../client/ec2-models.ts";
import { toCliError } from "../client/errors.ts";
import { openSsm } from "../client/ssm.ts";
import { parseState, readState, type StackState } from "./state.ts";

/** A stack in AWS, with what Pulumi's state has of it. */
export type AwsStack = Readonly<Awaited<ReturnType<typeof connect>>>;

/** Opens the stack, without a call to AWS yet. */
export async function openStack(context: Context): Promise<AwsStack> {
  const { files } = context;
  const config = files.config();
  const state = parseState(files.name, await readState(context));
  return connect(files.name, awsClientConfig(files.name, config), state);
}

export async function connect(name: string, client: AwsClientConfig, state: StackState) {
  const [ec2, ssm] = await Promise.all([openEc2(client), openSsm(client)]);
  return { name, client, state, ec2, ssm };
}

/**
 * The stack's host: the one in the state, else the latest with the stack's tags (a self-healing group has launched
 * a new host since). Undefined when there is none.
 */
export async function findHost({ name, state, ec2 }: AwsStack): Promise<Host | undefined> {
  try {
    const known = state.instanceId === null ? undefined : await ec2.host(state.instanceId);
    if (known && known.state !== "terminated" && known.state !== "shutting-down") return known;
    return (await ec2.hostsTagged(stackTags(name)))[0];
  } catch (error) {
    throw toCliError(error, `looking for the host of the stack ${name}`);
  }
}

export async function requireStackHost(stack: AwsStack): Promise<Host> {
  const host = await findHost(stack);
  if (host) return host;
  throw notRunning(stack.name, `The stack ${stack.name} has no host.`);
}

export async function requireRunning(stack: AwsStack): Promise<Host> {
  const host = await requireStackHost(stack);
  if (host.state === "running") return host;
  throw notRunning(stack.name, `The host ${host.id} is ${host.state}.`, host.state === "stopped" ? "start" : "status");
}

export async function readHostStatus({ ssm, state, name }: AwsStack): Promise<HostStatus | null> {
  try {
    return parseHostStatus(await ssm.parameter(statusParameter(state.parameterPrefix)));
  } catch (error) {
    throw toCliError(error, `reading the host status of the stack ${name}`);
  }
}
