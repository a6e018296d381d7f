import { join } from "node:path";
import { execa } from "execa";
import { DEMO_MODEL, DEMO_MODEL_ID, MODEL_VARIABLES } from "../../../infra/contract.ts";
import { commandFor } from "../../core/command-line.ts";
import type { Context } from "../../core/context.ts";
import { CliError, EXIT } from "../../core/exit.ts";
import { type CommandResult, toExitCode } from "../../service/image-gen.ts";
import { type AwsClientConfig, awsClientConfig, sdkOptions } from "../aws/client/client-config.ts";
import { toCliError } from "../aws/client/errors.ts";
import type { MirrorOptions } from "../target.ts";

/**
 * Copies a model from the Hub to a bucket with the script of the workflow `mirror`, on this machine: a fleet has no host that stays. It needs
 * bash and Python, and neither Docker nor torch.
 */
export async function mirrorModel(context: Context, { place, model, revision }: MirrorOptions): Promise<CommandResult> {
  const { paths, files, progress, signal, json } = context;
  const settings = files.settings("fleet");
  const id = model ?? settings.modelId;
  requireMirrorable(files.name, id);
  // A revision of config is one of config's model.
  const wanted = revision ?? (model === undefined ? settings.modelRevision : null);
  // So are what its service has besides.
  const { loras, vaeId, safetyChecker } = model === undefined ? settings : NOTHING_BESIDES;
  const client = awsClientConfig(files.name, files.config());
  progress.log(`Copying ${id} from the Hub to ${place}, by way of this machine …`);
  const { exitCode, stdout } = await execa(
    "bash",
    [join(paths.root, "scripts/ci/mirror.sh"), ...(json ? ["--json"] : [])],
    {
      cwd: paths.root,
      env: {
        IMAGEGEN_MODEL: id,
        IMAGEGEN_MIRROR: place,
        IMAGEGEN_REVISION: wanted ?? "",
        IMAGEGEN_LORAS: loras ?? "",
        IMAGEGEN_VAE_ID: vaeId ?? "",
        IMAGEGEN_SAFETY_CHECKER: safetyChecker ?? "",
        ...(settings.hubEndpoint === null ? {} : { [MODEL_VARIABLES.hubEndpoint]: settings.hubEndpoint }),
        ...(await credentialsOf(client)),
        AWS_REGION: client.region,
      },
      reject: false,
      stdin: "ignore",
      stderr: "inherit",
      cancelSignal: signal,
    },
  );
  signal.throwIfAborted();
  if (exitCode === undefined) throw new CliError("bash could not be started.", EXIT.missingPrerequisite);
  if (exitCode === 0 && settings.modelMirror !== place)
    progress.log(`Hosts read it after: ${commandFor(files.name, `up --config modelMirror=${place}`)}`);
  return { exitCode: toExitCode(exitCode), stdout };
}

const NOTHING_BESIDES = { loras: null, vaeId: null, safetyChecker: null };

function requireMirrorable(stack: string, id: string): void {
  if (process.platform === "win32") {
    const message = "The script that fills a mirror does not run on Windows.";
    throw new CliError({ message, fix: "wsl --install, and the same command in WSL" }, EXIT.missingPrerequisite);
  }
  if (id !== DEMO_MODEL && id !== DEMO_MODEL_ID) return;
  const fix = commandFor(stack, "cache mirror --model <organisation>/<name>");
  throw new CliError({ message: "The demo model is made on each host, and is in no mirror.", fix }, EXIT.usage);
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
