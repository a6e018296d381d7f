import { commandFor } from "../../../core/command-line.ts";
import { CliError, type ErrorDetail } from "../../../core/exit.ts";

interface Place {
  readonly stack: string;
  readonly region: string;
  /** Of the stack's config. */
  readonly zone: string | null;
}

/** Quotas that a first deployment meets, by AWS's error code: service, code of the quota, and a value above its default. */
const QUOTAS: Readonly<Record<string, readonly [service: string, code: string, value: number]>> = {
  VpcLimitExceeded: ["vpc", "L-F678F1CE", 10],
  InternetGatewayLimitExceeded: ["vpc", "L-A4707A72", 10],
  NatGatewayLimitExceeded: ["vpc", "L-FE5A380F", 10],
  AddressLimitExceeded: ["ec2", "L-0263D0A3", 10],
  // In TiB.
  VolumeLimitExceeded: ["ebs", "L-7A658B76", 100],
};

/**
 * A failed update with what can be done next. The engine remembers what it made, so that the next `up` continues there. Errors that are
 * not of the update stay as they are.
 */
export function withNextSteps(error: unknown, place: Place): unknown {
  if (!(error instanceof CliError)) return error;
  const [reason, ...rest] = error.details;
  if (!reason) return error;
  const fix = reason.fix ?? fixFor(reason.message, place);
  const up = commandFor(place.stack, "up");
  const next = {
    message: "What was made stays, and is in the stack's state.",
    fix: `${up}, which continues there, or ${commandFor(place.stack, "down")}, which removes it`,
  };
  const first: ErrorDetail = fix === undefined ? reason : { ...reason, fix };
  return new CliError([first, ...rest, next], error.exitCode);
}

/** What lets AWS accept the request; undefined where the reason tells, or nobody knows. */
export function fixFor(message: string, { stack, region, zone }: Place): string | undefined {
  const up = commandFor(stack, "up");
  const action = /not authorized to perform: ([a-z0-9-]+:\w+)/.exec(message)?.[1];
  if (action) return `allow ${action} for these credentials, then ${up}`;
  const limit = Object.entries(QUOTAS).find(([code]) => message.includes(code));
  if (limit) {
    const [name, [service, code, value]] = limit;
    const request = `aws service-quotas request-service-quota-increase --service-code ${service} --quota-code ${code} --desired-value ${value} --region ${region}`;
    const own = name.startsWith("Volume")
      ? ""
      : `, or ${commandFor(stack, "up --config subnetId=<a subnet that you have>")}`;
    return `${request}, then ${up}${own}`;
  }
  if (/cannot be deleted\s+because it is protected/.test(message) && message.includes("aws:ebs/volume:Volume"))
    return `${commandFor(stack, `move-az ${zone ?? "<zone>"}`)}, which finishes an interrupted move; or restore volumeGeneration in the stack's config`;
  return undefined;
}
