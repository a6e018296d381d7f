import { stackTags, statusParameter } from "../../../../infra/contract.ts";
import { type HostStatus, parseHostStatus } from "../../../../infra/readiness/host-status.ts";
import type { Context } from "../../../core/context.ts";
import { CliError, EXIT } from "../../../core/exit.ts";
import { type Access, accessOf } from "../client/client-config.ts";
import { type Ec2, openEc2 } from "../client/ec2.ts";
import type { Host } from "../client/ec2-models.ts";
import { explainAws } from "../client/errors.ts";
import { openSsm, type Ssm } from "../client/ssm.ts";
import { parseOutputs, readOutputs, type StackOutputs } from "./outputs.ts";

/** A stack in AWS, with what the last `up` made of it. */
export interface AwsStack {
  readonly name: string;
  readonly access: Access;
  readonly outputs: StackOutputs;
  readonly ec2: Ec2;
  readonly ssm: Ssm;
}

/** Opens the stack; nothing is asked of AWS yet. */
export async function openStack(context: Context): Promise<AwsStack> {
  const { files } = context;
  const config = files.config();
  const raw = (await readOutputs(context)) ?? {};
  return connect(files.name, accessOf(files.name, config), parseOutputs(files.name, raw));
}

export async function connect(name: string, access: Access, outputs: StackOutputs): Promise<AwsStack> {
  const [ec2, ssm] = await Promise.all([openEc2(access), openSsm(access)]);
  return { name, access, outputs, ec2, ssm };
}

/**
 * The stack's host: the one in the outputs, else the latest with the stack's tags (an `up` that failed half-way wrote no
 * outputs; a group that heals itself has made a new host since). Undefined when there is none.
 */
export async function findHost({ name, outputs, ec2 }: AwsStack): Promise<Host | undefined> {
  try {
    const known = outputs.instanceId === null ? undefined : await ec2.host(outputs.instanceId);
    if (known && known.state !== "terminated" && known.state !== "shutting-down") return known;
    return (await ec2.hostsTagged(stackTags(name)))[0];
  } catch (error) {
    throw explainAws(error, `looking for the host of the stack ${name}`);
  }
}

export async function requireHost(stack: AwsStack): Promise<Host> {
  const host = await findHost(stack);
  if (host) return host;
  throw new CliError(`The stack ${stack.name} has no host: imagegen up --stack ${stack.name}`, EXIT.notRunning);
}

export async function requireRunning(stack: AwsStack): Promise<Host> {
  const host = await requireHost(stack);
  if (host.state === "running") return host;
  const mend = host.state === "stopped" ? ` Fix: imagegen start --stack ${stack.name}` : "";
  throw new CliError(`The host ${host.id} is ${host.state}.${mend}`, EXIT.notRunning);
}

export async function readRecord({ ssm, outputs, name }: AwsStack): Promise<HostStatus | null> {
  try {
    return parseHostStatus(await ssm.parameter(statusParameter(outputs.parameterPrefix)));
  } catch (error) {
    throw explainAws(error, `reading the host's report of the stack ${name}`);
  }
}
