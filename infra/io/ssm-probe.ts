import { setTimeout as sleep } from "node:timers/promises";
import { GetParameterCommand, ParameterNotFound, SSMClient } from "@aws-sdk/client-ssm";
import { DENIED, EXPIRED, INVALID_KEY, NO_CREDENTIALS } from "../plan/aws/credential-errors.ts";
import type { HostDeps, ParameterResult } from "../readiness/host-status.ts";
import { lineReporter } from "../readiness/progress.ts";

const CREDENTIAL_ERRORS = [NO_CREDENTIALS, EXPIRED, INVALID_KEY, DENIED];

/** The real clock and AWS's parameter store. `log` gets the progress as lines. */
export function ssmDeps(
  { region, profile }: { readonly region: string; readonly profile?: string | undefined },
  log: (line: string) => void,
): HostDeps {
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
    onProgress: lineReporter(log),
  };
}

async function readParameter(client: SSMClient, name: string): Promise<ParameterResult> {
  try {
    const { Parameter } = await client.send(new GetParameterCommand({ Name: name }));
    return Parameter?.Value === undefined
      ? { kind: "none", reason: `${name} is empty` }
      : { kind: "value", text: Parameter.Value };
  } catch (error) {
    const { name: kind, message } = error as Error;
    if (error instanceof ParameterNotFound) return { kind: "none", reason: "the host has not written its status yet" };
    return {
      kind: CREDENTIAL_ERRORS.some((pattern) => pattern.test(kind)) ? "denied" : "none",
      reason: `${name} can't be read: ${message || kind}`,
    };
  }
}
