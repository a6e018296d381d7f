import { DENIED, EXPIRED, INVALID_KEY, NO_CREDENTIALS } from "../../../../infra/plan/aws/credential-errors.ts";
import { CliError, type ErrorDetail, EXIT, firstLine } from "../../../core/exit.ts";

/** The result of an AWS call, or why it is unknown: no permission, no network, too many calls. */
export type Lookup<T> =
  | { readonly known: true; readonly value: T }
  | { readonly known: false; readonly reason: ErrorDetail };

const THROTTLED = /Throttl|TooManyRequests|RequestLimitExceeded|SlowDown/;
const NO_RESPONSE = /TimeoutError|ETIMEDOUT|ECONNREFUSED|ECONNRESET|ENOTFOUND|EAI_AGAIN|NetworkingError|socket hang up/;

/** Name and message of whatever an AWS call threw. */
export function errorText(error: unknown): string {
  const { name, message } = failureOf(error);
  return `${name} ${message}`;
}

/** True when the error is not evidence about the resource (permissions, throttling, network). */
function isInconclusive(error: unknown): boolean {
  const { name, message, status } = failureOf(error);
  const text = `${name} ${message}`;
  return [DENIED, THROTTLED, NO_RESPONSE].some((pattern) => pattern.test(text)) || (status ?? 0) >= 500;
}

/** Runs a lookup; inconclusive errors become its result, others are thrown on. */
export async function tryLookup<T>(look: () => Promise<T>): Promise<Lookup<T>> {
  try {
    return { known: true, value: await look() };
  } catch (error) {
    if (!isInconclusive(error)) throw error;
    return { known: false, reason: describeAwsError(error) };
  }
}

/** True for AWS's own error of that name (`InvalidInstanceID.NotFound`, say). */
export function hasAwsErrorName(error: unknown, ...names: readonly string[]): boolean {
  return names.includes(failureOf(error).name);
}

/** Any failure of an AWS call as one line with its fix. `doing`: the attempted action, "stopping i-123". */
export function toCliError(error: unknown, doing: string): CliError {
  if (error instanceof CliError) return error;
  const { name, message } = failureOf(error);
  const code = NO_CREDENTIALS.test(`${name} ${message}`) ? EXIT.missingPrerequisite : EXIT.failed;
  const detail = describeAwsError(error);
  return new CliError({ ...detail, message: `${doing}: ${detail.message}` }, code);
}

export function describeAwsError(error: unknown): ErrorDetail {
  const { name, message } = failureOf(error);
  const text = `${name} ${message}`;
  if (NO_CREDENTIALS.test(text))
    return { message: "no AWS credentials were found.", fix: "aws configure sso, or export AWS_PROFILE=…" };
  if (EXPIRED.test(text)) return { message: "the AWS credentials have expired.", fix: "aws sso login" };
  if (INVALID_KEY.test(text))
    return { message: `AWS rejects the credentials (${name}).`, fix: "aws sts get-caller-identity" };
  if (DENIED.test(text)) return { message: `access denied: these credentials lack ${actionIn(message) ?? name}` };
  if (NO_RESPONSE.test(text)) return { message: `AWS did not respond (${message === "" ? name : firstLine(message)})` };
  return { message: `${firstLine(message || name)} (${name})` };
}

/** "… is not authorized to perform: ec2:StopInstances on …" → the action, which is what has to be granted. */
function actionIn(message: string): string | undefined {
  return /perform: ([a-z0-9-]+:[A-Za-z0-9]+)/.exec(message)?.[1];
}

function failureOf(error: unknown): { name: string; message: string; status?: number | undefined } {
  if (!(error instanceof Error)) return { name: "Error", message: String(error) };
  const { $metadata, code } = error as { $metadata?: { httpStatusCode?: number }; code?: string };
  const name = code && NO_RESPONSE.test(code) ? code : error.name;
  return { name, message: error.message, status: $metadata?.httpStatusCode };
}
