import { type HostStatus, heartbeatAgeSeconds } from "../../../../infra/readiness/host-status.ts";
import { describeState } from "../../../../infra/readiness/progress.ts";
import { commandFor } from "../../../core/command-line.ts";
import type { Context } from "../../../core/context.ts";
import type { StatusResult } from "../../target.ts";
import { toCliError } from "../client/errors.ts";
import { classifyHostStatus } from "../host/host-status.ts";
import { findHost, openStack, readHostStatus } from "../stack/stack.ts";

export async function awsStatus(context: Context): Promise<StatusResult> {
  const stack = await openStack(context);
  const { name, client, state, ec2 } = stack;
  const findVolume = async () => {
    try {
      return state.volumeId === null ? undefined : await ec2.volume(state.volumeId);
    } catch (error) {
      throw toCliError(error, `looking up the volume of the stack ${name}`);
    }
  };
  const [host, volume, status] = await Promise.all([findHost(stack), findVolume(), readHostStatus(stack)]);
  const now = Date.now();
  const running = host?.state === "running";
  return {
    stack: name,
    mode: "aws",
    running,
    url: state.url,
    ready: running && status?.instance === host.id ? status.ready : null,
    state: running ? stateLine(status, host.id, now) : stoppedLine(name, host?.state),
    cacheBytes: null,
    region: client.region,
    host: host ?? null,
    volume: volume ?? null,
    heartbeatSeconds: status ? Math.round(heartbeatAgeSeconds(status, now)) : null,
  };
}

function stateLine(status: HostStatus | null, instance: string, now: number): string {
  const state = classifyHostStatus(status, { instance, now });
  const isStarting = state.kind === "ready" || state.kind === "starting";
  if (isStarting && status?.ready) return describeState(status.ready).text;
  return state.kind === "ready" ? "ready" : state.text;
}

function stoppedLine(stack: string, state: string | undefined): string {
  if (state === undefined) return `no host: ${commandFor(stack, "up")}`;
  return state === "stopped" ? `the host is stopped: ${commandFor(stack, "start")}` : `the host is ${state}`;
}
