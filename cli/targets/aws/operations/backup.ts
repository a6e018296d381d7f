import { ownCode } from "../../../commands/cache/pass-through.ts";
import { compression } from "../../../core/archive-options.ts";
import type { Context } from "../../../core/context.ts";
import { CliError, EXIT } from "../../../core/exit.ts";
import { inContainer } from "../host/image-gen.ts";
import { quote } from "../host/shell-quote.ts";
import { openStack } from "../stack/stack.ts";

/** An object in S3 that a backup goes to or comes from. */
const S3_OBJECT = /^s3:\/\/[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]\/[^\s]*[^\s/]$/;
/** So that S3 cuts the stream into big enough parts; the biggest cache that we know is smaller. */
const EXPECTED_BYTES = 200e9;

export function requireS3(command: string, place: string): string {
  if (S3_OBJECT.test(place)) return place;
  const example = `imagegen cache ${command} s3://my-bucket/models.tar`;
  const other = command === "backup" ? ", or imagegen cache backup --snapshot" : "";
  throw new CliError(
    `The cache is on a host in AWS: expected s3://<bucket>/<name>.tar, got "${place}". Fix: ${example}${other}`,
    EXIT.usage,
  );
}

/** Streams the cache's backup from the container to S3, on the host and with its role. Returns the object's bytes. */
export async function backupToS3(context: Context, place: string): Promise<number> {
  const stack = await openStack(context);
  const { region } = stack.access;
  const object = quote(requireS3("backup", place));
  const size = `aws s3 ls ${object} --region ${region}`;
  const copy = `aws s3 cp - ${object} --expected-size ${EXPECTED_BYTES} --only-show-errors --region ${region}`;
  const answer = await inContainer(
    context,
    stack,
    `backing up to ${place}`,
    `image-gen backup --output - ${compression(place).join(" ")}`.trimEnd(),
    { after: `${copy} && ${size}` },
  );
  if (answer.exitCode === 0) return Number(/\s(\d+)\s\S+\s*$/.exec(answer.stdout)?.[1] ?? 0);
  throw (
    refusedByS3(answer.stderr, place, "s3:PutObject, s3:AbortMultipartUpload and s3:ListBucket") ??
    failed("backup", answer)
  );
}

/** Puts a backup from S3 in place of the cache, after every file in it was verified. */
export async function restoreFromS3(context: Context, place: string): Promise<string> {
  const stack = await openStack(context);
  const object = quote(requireS3("restore", place));
  const fetch = `aws s3 cp ${object} - --only-show-errors --region ${stack.access.region}`;
  const command = `image-gen restore --input -${context.json ? " --json" : ""}`;
  const answer = await inContainer(context, stack, `restoring ${place}`, command, { before: fetch });
  if (answer.exitCode === 0) return answer.stdout;
  throw refusedByS3(answer.stderr, place, "s3:GetObject") ?? failed("restore", answer);
}

function failed(what: string, { exitCode, stderr }: { exitCode: number; stderr: string }): CliError {
  const reason = stderr.trim().split("\n").at(-1) || `exit code ${exitCode}`;
  const state = what === "restore" ? "the cache is as it was" : "what is in S3 is not a backup";
  return new CliError(`The ${what} failed; ${state}: ${reason}`, ownCode(exitCode));
}

/** The copying runs with the host's own role, which may write nowhere unless it is told. */
function refusedByS3(stderr: string, place: string, actions: string): CliError | undefined {
  if (!/AccessDenied|Forbidden|403/.test(stderr)) return undefined;
  const mend = `grant ${actions} on it to the host's role (bucket policy), or imagegen cache backup --snapshot`;
  return new CliError(`The host's role may not use ${place}. Fix: ${mend}`);
}
