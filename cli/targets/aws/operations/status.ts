import { heartbeatAgeSeconds } from "../../../../infra/readiness/host-status.ts";
import type { ReadyState } from "../../../../infra/readiness/probe-result.ts";
import { describeState } from "../../../../infra/readiness/progress.ts";
import { formatSeconds } from "../../../../infra/units.ts";
import type { Context } from "../../../core/context.ts";
import { CliError, EXIT } from "../../../core/exit.ts";
import type { DataVolume, Host } from "../client/ec2-models.ts";
import { explainAws } from "../client/errors.ts";
import { judgeRecord, type RecordVerdict } from "../host/host-status.ts";
import { type AwsStack, findHost, openStack, readRecord } from "../stack/stack.ts";

/** What `status --json` prints for a stack in AWS. */
export interface AwsStatus {
  readonly stack: string;
  readonly mode: "aws";
  /** The host runs; whether the service does, `ready` says. */
  readonly running: boolean;
  readonly region: string;
  readonly url: string | null;
  readonly host: Host | null;
  readonly volume: DataVolume | null;
  readonly heartbeatSeconds: number | null;
  readonly service: RecordVerdict | null;
  readonly ready: ReadyState | null;
}

export async function awsStatus(context: Context): Promise<AwsStatus> {
  return statusOf(await openStack(context), Date.now());
}

async function statusOf(stack: AwsStack, now: number): Promise<AwsStatus> {
  const { name, access, outputs, ec2 } = stack;
  const volumeOf = async () => {
    try {
      return outputs.volumeId === null ? undefined : await ec2.volume(outputs.volumeId);
    } catch (error) {
      throw explainAws(error, `looking at the volume of the stack ${name}`);
    }
  };
  const [host, volume, record] = await Promise.all([findHost(stack), volumeOf(), readRecord(stack)]);
  const running = host?.state === "running";
  return {
    stack: name,
    mode: "aws",
    running,
    region: access.region,
    url: outputs.url,
    host: host ?? null,
    volume: volume ?? null,
    heartbeatSeconds: record ? Math.round(heartbeatAgeSeconds(record, now)) : null,
    service: running ? judgeRecord(record, { instance: host.id, now }) : null,
    ready: running && record?.instance === host.id ? record.ready : null,
  };
}

/** The result as aligned lines, for people. */
export function describeAwsStatus(status: AwsStatus): string {
  const { stack, host, volume, ready, region, url } = status;
  const rows: [string, string | null | undefined][] = [
    ["stack", `${stack} (AWS, ${region})`],
    ["host", host ? `${host.id}, ${host.type} (${host.market}) in ${host.zone}, ${host.state}` : hint(stack)],
    ["state", serviceLine(status)],
    [
      "heard",
      status.running && status.heartbeatSeconds !== null ? `${formatSeconds(status.heartbeatSeconds)} ago` : null,
    ],
    ["url", status.running ? url : null],
    ["model", ready?.model && `${ready.model}${ready.revision ? ` at ${ready.revision.slice(0, 12)}` : ""}`],
    ["device", ready?.device],
    ["source", ready?.source],
    ["start-up", ready?.phases && phasesOf(ready.phases)],
    ["volume", volume && `${volume.id}, ${volume.sizeGb} GB in ${volume.zone}, ${volume.state}`],
  ];
  return rows
    .filter(([, value]) => value)
    .map(([name, value]) => `${name.padEnd(9)} ${value}`)
    .join("\n");
}

const hint = (stack: string) => `none: imagegen up --stack ${stack}`;

function serviceLine({ service, ready, host, stack }: AwsStatus): string | null {
  if (host && host.state !== "running")
    return host.state === "stopped"
      ? `the host is stopped: imagegen start --stack ${stack}`
      : `the host is ${host.state}`;
  if (!service) return null;
  if (service.kind === "ready") return ready ? describeState(ready).text : "ready";
  if (service.kind === "working" && ready) return describeState(ready).text;
  return service.text;
}

function phasesOf(phases: Readonly<Record<string, number>>): string {
  return Object.entries(phases)
    .map(([phase, seconds]) => `${phase} ${seconds.toFixed(1)} s`)
    .join(", ");
}

/** `status` for a stack in AWS ends with the code for "nothing is running" when its host does not. */
export function failUnlessRunning({ running }: AwsStatus): void {
  if (!running) throw new CliError("", EXIT.notRunning);
}
