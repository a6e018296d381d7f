import { setTimeout as sleep } from "node:timers/promises";
import { GetParameterCommand, ParameterNotFound, SSMClient } from "@aws-sdk/client-ssm";
import type { HostWorld } from "../readiness/host-gate.ts";
import type { ParameterAnswer } from "../readiness/host-status-reader.ts";

/** Errors that asking again won't mend. */
const REFUSALS =
  /^(?:AccessDenied|ExpiredToken|UnrecognizedClient|InvalidSignature|CredentialsProvider|InvalidClientTokenId)/;

/** The real clock and AWS's parameter store. `report` gets a progress line at every poll. */
export function realHostWorld(
  { region, profile }: { readonly region: string; readonly profile?: string | undefined },
  report: (line: string) => void,
): HostWorld {
  // Its endpoint is the SDK's to find: `AWS_ENDPOINT_URL_SSM` points it elsewhere.
  const client = new SSMClient({
    region,
    maxAttempts: 3,
    requestHandler: { connectionTimeout: 5_000, requestTimeout: 20_000 },
    ...(profile === undefined ? {} : { profile }),
  });
  return {
    readParameter: async (name) => readParameter(client, name),
    now: () => performance.now() / 1000,
    date: () => Date.now(),
    sleep: async (seconds) => sleep(seconds * 1000),
    report,
  };
}

async function readParameter(client: SSMClient, name: string): Promise<ParameterAnswer> {
  try {
    const { Parameter } = await client.send(new GetParameterCommand({ Name: name }));
    return Parameter?.Value === undefined
      ? { kind: "none", reason: `${name} is empty` }
      : { kind: "value", text: Parameter.Value };
  } catch (error) {
    const { name: kind, message } = error as Error;
    if (error instanceof ParameterNotFound) return { kind: "none", reason: "the host has written nothing yet" };
    return { kind: REFUSALS.test(kind) ? "refused" : "none", reason: `${name} can't be read: ${message || kind}` };
  }
}
