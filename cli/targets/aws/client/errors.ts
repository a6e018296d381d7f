import { CliError, EXIT, oneLine } from "../../../core/exit.ts";

/** What an AWS call gave, or one line on why that can't be known: no permission, no network, too many calls. */
export type Known<T> = { readonly known: true; readonly value: T } | { readonly known: false; readonly why: string };

interface AwsFailure {
  readonly name: string;
  readonly message: string;
  readonly status: number | undefined;
}

const NO_CREDENTIALS = /CredentialsProviderError|Could not load credentials|NoCredentials/;
const EXPIRED = /ExpiredToken|ExpiredTokenException|RequestExpired|Token.*expired|SSO.*(expired|invalid)/i;
const WRONG_KEY = /AuthFailure|InvalidClientTokenId|UnrecognizedClient|SignatureDoesNotMatch|InvalidAccessKeyId/;
const DENIED = /AccessDenied|UnauthorizedOperation|NotAuthorized/;
const BUSY = /Throttl|TooManyRequests|RequestLimitExceeded|SlowDown/;
const NO_ANSWER = /TimeoutError|ETIMEDOUT|ECONNREFUSED|ECONNRESET|ENOTFOUND|EAI_AGAIN|NetworkingError|socket hang up/;

/** True when the failure says nothing of the thing that was asked about: a check must then say `unknown`. */
function isUnknown(error: unknown): boolean {
  const { name, message, status } = failureOf(error);
  const text = `${name} ${message}`;
  return [DENIED, BUSY, NO_ANSWER].some((pattern) => pattern.test(text)) || (status !== undefined && status >= 500);
}

/** Runs a look-up whose failure must not be taken for an answer. Errors that do say something are thrown on. */
export async function ifKnown<T>(look: () => Promise<T>): Promise<Known<T>> {
  try {
    return { known: true, value: await look() };
  } catch (error) {
    if (!isUnknown(error)) throw error;
    return { known: false, why: describeFailure(error) };
  }
}

/** True for AWS's own error of that name (`InvalidInstanceID.NotFound`, say). */
export function isAws(error: unknown, ...names: readonly string[]): boolean {
  return names.includes(failureOf(error).name);
}

/** Any failure of an AWS call as one line with its mend. `doing`: what was tried, "stopping i-123". */
export function explainAws(error: unknown, doing: string): CliError {
  if (error instanceof CliError) return error;
  const failure = failureOf(error);
  const code = NO_CREDENTIALS.test(`${failure.name} ${failure.message}`) ? EXIT.machine : EXIT.failed;
  return new CliError(`${doing}: ${describeFailure(error)}`, code);
}

export function describeFailure(error: unknown): string {
  const { name, message } = failureOf(error);
  const text = `${name} ${message}`;
  if (NO_CREDENTIALS.test(text))
    return "no AWS credentials were found. Fix: aws configure sso, or export AWS_PROFILE=…";
  if (EXPIRED.test(text)) return "the AWS credentials have expired. Fix: aws sso login";
  if (WRONG_KEY.test(text)) return `AWS does not accept the credentials (${name}). Fix: aws sts get-caller-identity`;
  if (DENIED.test(text)) return `AWS does not allow it to these credentials (${actionIn(message) ?? name})`;
  if (NO_ANSWER.test(text)) return `AWS did not answer (${message === "" ? name : oneLine(message)})`;
  return `${oneLine(message || name)} (${name})`;
}

/** "… is not authorized to perform: ec2:StopInstances on …" → the action, which is what has to be granted. */
function actionIn(message: string): string | undefined {
  return /perform: ([a-z0-9-]+:[A-Za-z0-9]+)/.exec(message)?.[1];
}

function failureOf(error: unknown): AwsFailure {
  if (!(error instanceof Error)) return { name: "Error", message: String(error), status: undefined };
  const { $metadata, code } = error as { $metadata?: { httpStatusCode?: number }; code?: string };
  const name = code && NO_ANSWER.test(code) ? code : error.name;
  return { name, message: error.message, status: $metadata?.httpStatusCode };
}
