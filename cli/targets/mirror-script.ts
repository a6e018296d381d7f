import { join } from "node:path";
import { execa } from "execa";
import type { Context } from "../core/context.ts";
import { CliError, EXIT } from "../core/exit.ts";
import { type CommandResult, toExitCode } from "../service/image-gen.ts";
import { type AwsClientConfig, awsClientConfig, sdkOptions } from "./aws/client/client-config.ts";
import { toCliError } from "./aws/client/errors.ts";

/**
 * Runs the script of the workflow `mirror` on this machine, with what `env` says and `args` for the program in it. It needs bash and
 * Python, and neither Docker nor torch.
 */
export async function runMirrorScript(
  { paths, files, signal }: Context,
  env: Readonly<Record<string, string>>,
  args: readonly string[],
): Promise<CommandResult> {
  if (process.platform === "win32") {
    const message = "The script that fills a mirror does not run on Windows.";
    throw new CliError({ message, fix: "wsl --install, and the same command in WSL" }, EXIT.missingPrerequisite);
  }
  const client = awsClientConfig(files.name, files.config());
  const credentials = await credentialsOf(client);
  const { exitCode, stdout } = await execa("bash", [join(paths.root, "scripts/ci/mirror.sh"), ...args], {
    cwd: paths.root,
    env: { ...env, ...credentials, AWS_REGION: client.region },
    reject: false,
    stdin: "ignore",
    stderr: "inherit",
    cancelSignal: signal,
  });
  signal.throwIfAborted();
  if (exitCode === undefined) throw new CliError("bash could not be started.", EXIT.missingPrerequisite);
  return { exitCode: toExitCode(exitCode), stdout };
}

/** As variables, which is all that the download reads: not a profile, nor what a login has left. */
async function credentialsOf(client: AwsClientConfig): Promise<Record<string, string | undefined>> {
  const { S3Client } = await import("@aws-sdk/client-s3");
  try {
    const { accessKeyId, secretAccessKey, sessionToken } = await new S3Client(sdkOptions(client)).config.credentials();
    // Without a token, that of the shell is another key's.
    return {
      AWS_ACCESS_KEY_ID: accessKeyId,
      AWS_SECRET_ACCESS_KEY: secretAccessKey,
      AWS_SESSION_TOKEN: sessionToken,
    };
  } catch (error) {
    throw toCliError(error, "looking for AWS credentials");
  }
}
