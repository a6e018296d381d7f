import { commandFor } from "../../../core/command-line.ts";
import { CliError, EXIT } from "../../../core/exit.ts";
import type { ConfigMap } from "../../../stack/config.ts";

/** The account and region of a stack; credentials come from the SDK's default chain. */
export interface AwsClientConfig {
  readonly region: string;
  readonly profile?: string;
}

const ATTEMPTS = 3;
/** Milliseconds. The slowest response is a whole page of instance types. */
const CONNECT_MS = 5_000;
const RESPONSE_MS = 20_000;

/** The options of every SDK client: short timeouts and few attempts. */
export function sdkOptions(config: AwsClientConfig) {
  return {
    ...config,
    maxAttempts: ATTEMPTS,
    requestHandler: { connectionTimeout: CONNECT_MS, requestTimeout: RESPONSE_MS },
  };
}

/** Region and profile from the config of Pulumi's AWS provider, else from the environment of AWS's own tools. */
export function awsClientConfig(
  stack: string,
  config: ConfigMap,
  env: NodeJS.ProcessEnv = process.env,
): AwsClientConfig {
  const region = text(config["aws:region"]) ?? env.AWS_REGION ?? env.AWS_DEFAULT_REGION;
  if (!region) {
    const fix = commandFor(stack, "up --config aws:region=us-east-1");
    throw new CliError({ message: "aws:region: expected an AWS region, got nothing.", fix }, EXIT.usage);
  }
  const profile = text(config["aws:profile"]) ?? env.AWS_PROFILE;
  return profile ? { region, profile } : { region };
}

function text(value: unknown): string | undefined {
  return typeof value === "string" && value !== "" ? value : undefined;
}
