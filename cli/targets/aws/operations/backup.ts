import { commandFor } from "../../../core/command-line.ts";
import type { Context } from "../../../core/context.ts";
import { CliError, EXIT, lastLine } from "../../../core/exit.ts";
import { compressionOptions } from "../../../service/archive.ts";
import { type CommandResult, toExitCode } from "../../../service/image-gen.ts";
import { inContainer } from "../host/image-gen.ts";
import type { HostCommandResult } from "../host/run-command.ts";
import { quote } from "../host/shell-quote.ts";
import { openStack } from "../stack/stack.ts";

/** An object in S3 that a backup is written to or read from. */
const S3_OBJECT = /^s3:\/\/[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]\/[^\s]*[^\s/]$/;
/** S3 derives the size of the upload's parts from this; the largest known cache is smaller. */
const EXPECTED_BYTES = 200e9;

/** Streams the cache's backup from the container to S3, with the host's role. Returns the object's bytes. */
export async function backupToS3(context: Context, place: string): Promise<number> {
  requireS3(context, "backup", place);
  const { stdout } = await transfer(context, "backup", place, (object, region) => ({
    command: `image-gen backup --output - ${compressionOptions(place).join(" ")}`.trimEnd(),
    after:
      `aws s3 cp - ${object} --expected-size ${EXPECTED_BYTES} --only-show-errors --region ${region}` +
      ` && aws s3 ls ${object} --region ${region}`,
  }));
  return Number(/\s(\d+)\s\S+\s*$/.exec(stdout)?.[1] ?? 0);
}

/** Replaces the cache by a backup from S3, after every file in it was verified. */
export async function restoreFromS3(context: Context, place: string): Promise<CommandResult> {
  requireS3(context, "restore", place);
  const { exitCode, stdout } = await transfer(context, "restore", place, (object, region) => ({
    command: `image-gen restore --input -${context.json ? " --json" : ""}`,
    before: `aws s3 cp ${object} - --only-show-errors --region ${region}`,
  }));
  return { exitCode, stdout: stdout.trimEnd() };
}

type Direction = "backup" | "restore";

const PERMISSIONS = { backup: "s3:PutObject, s3:AbortMultipartUpload and s3:ListBucket", restore: "s3:GetObject" };
const STATE = { backup: "the object in S3 is no backup", restore: "the cache is unchanged" };

async function transfer(
  context: Context,
  direction: Direction,
  place: string,
  line: (object: string, region: string) => { command: string; before?: string; after?: string },
): Promise<HostCommandResult> {
  const stack = await openStack(context);
  const { command, ...around } = line(quote(place), stack.client.region);
  const result = await inContainer(context, stack, `${direction} of ${place}`, command, around);
  const { exitCode, stderr } = result;
  if (exitCode === 0) return result;
  if (/AccessDenied|Forbidden|403/.test(stderr)) {
    const fix = `grant ${PERMISSIONS[direction]} on it to the host's role (bucket policy), or ${snapshotCommand(context)}`;
    throw new CliError({ message: `The host's role has no access to ${place}.`, fix });
  }
  const reason = lastLine(stderr) || `exit code ${exitCode}`;
  throw new CliError(`The ${direction} failed; ${STATE[direction]}: ${reason}`, toExitCode(exitCode));
}

function requireS3(context: Context, direction: Direction, place: string): void {
  if (S3_OBJECT.test(place)) return;
  const message = `The cache is on a host in AWS: expected s3://<bucket>/<name>.tar, got "${place}".`;
  const command = commandFor(context.files.name, `cache ${direction} s3://my-bucket/models.tar`);
  const fix = direction === "backup" ? `${command}, or ${snapshotCommand(context)}` : command;
  throw new CliError({ message, fix }, EXIT.usage);
}

const snapshotCommand = ({ files }: Context) => commandFor(files.name, "cache backup --snapshot");
