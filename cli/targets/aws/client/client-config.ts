/**
 * AWS from the operator's machine. In: a stack of target aws, its outputs, the operator's own credentials. Out: facts of
 * the account, and the host stopped, started, asked. Never provisions: that the Pulumi program alone does.
 */
import { CliError, EXIT } from "../../../core/exit.ts";
import type { ConfigMap } from "../../../stack/config.ts";

/** Where a stack lives in AWS; credentials come from where every AWS tool looks for them. */
export interface Access {
  readonly region: string;
  readonly profile?: string;
}

/** What every client of the SDK is given: a call that gets no answer ends soon, and is tried so often at most. */
export interface ClientSettings extends Access {
  readonly maxAttempts: number;
  readonly requestHandler: { readonly connectionTimeout: number; readonly requestTimeout: number };
}

const ATTEMPTS = 3;
/** Milliseconds. The slowest answer is a whole page of instance types. */
const CONNECT_MS = 5_000;
const ANSWER_MS = 20_000;

export function clientSettings(access: Access): ClientSettings {
  return {
    ...access,
    maxAttempts: ATTEMPTS,
    requestHandler: { connectionTimeout: CONNECT_MS, requestTimeout: ANSWER_MS },
  };
}

/** Region and profile of a stack's config, the keys of Pulumi's own provider; else what AWS's tools have set. */
export function accessOf(stack: string, config: ConfigMap, env: NodeJS.ProcessEnv = process.env): Access {
  const region = text(config["aws:region"]) ?? env.AWS_REGION ?? env.AWS_DEFAULT_REGION;
  if (!region) {
    const mend = `imagegen up --stack ${stack} --config aws:region=us-east-1`;
    throw new CliError(`aws:region: expected an AWS region, got nothing. Fix: ${mend}`, EXIT.usage);
  }
  const profile = text(config["aws:profile"]) ?? env.AWS_PROFILE;
  return profile ? { region, profile } : { region };
}

function text(value: unknown): string | undefined {
  return typeof value === "string" && value !== "" ? value : undefined;
}
