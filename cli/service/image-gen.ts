import { existsSync } from "node:fs";
import { execa } from "execa";
import type { LocalSettings } from "../../infra/config/settings.ts";
import { planImage } from "../../infra/plan/image.ts";
import type { Context } from "../core/context.ts";
import { CliError, EXIT } from "../core/exit.ts";
import { settingsOf } from "../stack/config.ts";
import { isAws } from "../targets/aws/stack/target.ts";
import { hasImage, hasVolume } from "../targets/docker/docker.ts";
import { locate } from "../targets/locate.ts";
import { serviceEnvironment } from "../targets/process/environment.ts";
import { venvProgram } from "../toolchain/uv.ts";

/** A way to run the command `image-gen` where a stack's cache is: arguments in front of its own, and an environment. */
export interface Runner {
  readonly where: "container" | "volume" | "process";
  readonly file: string;
  readonly args: readonly string[];
  readonly env: Record<string, string>;
}

// Not AWS_PROFILE and the like: they name files of this machine.
const AWS =
  /^AWS_(ACCESS_KEY_ID|SECRET_ACCESS_KEY|SESSION_TOKEN|REGION|DEFAULT_REGION|ENDPOINT_URL(_S3)?|VIRTUAL_HOSTED_STYLE_REQUEST)$/;

/** What one run of `image-gen` gave. */
export interface Answer {
  readonly exitCode: number;
  readonly stdout: string;
}

/**
 * Finds how to reach the cache: in the running container, in a container of the moment on the volume, or in the files
 * of process mode. Throws a CliError when this stack has no cache yet. `ownContainer`: never in the running one, where
 * Ctrl-C would not reach the command (`docker exec` passes no signals on).
 */
export async function findRunner(context: Context, options: { ownContainer?: boolean } = {}): Promise<Runner> {
  const { paths, files } = context;
  const place = await locate(context);
  if (place?.mode === "docker" && place.container.running && !options.ownContainer) {
    return {
      where: "container",
      file: "docker",
      args: ["exec", "-i", ...passAws(process.env), place.settings.containerName, "image-gen"],
      env: {},
    };
  }
  const settings = place?.settings ?? settingsOf(files.lastConfig());
  const python = venvProgram(paths.venv, "python");
  if (place?.mode !== "process" && (await hasVolume(settings.volumeName))) {
    const image = place?.container.imageId ?? planImage(settings).name;
    if (await hasImage(image)) return { where: "volume", file: "docker", args: onVolume(settings, image), env: {} };
    throw new CliError(`The image ${image} is gone: run \`imagegen up\`, which builds it again.`, EXIT.notRunning);
  }
  if (existsSync(python)) {
    const env = serviceEnvironment(paths, settings);
    return { where: "process", file: python, args: ["-m", "image_gen"], env };
  }
  throw new CliError(`The stack ${files.name} has no cache on this machine: run \`imagegen up\`.`, EXIT.notRunning);
}

/** Runs `image-gen` for its output; what it says on stderr (progress) goes straight to ours. */
export async function runImageGen(
  context: Context,
  args: readonly string[],
  where: { ownContainer?: boolean } = {},
): Promise<Answer> {
  if (isAws(context)) return (await import("../targets/aws/host/image-gen.ts")).imageGenOnHost(context, args);
  const { file, args: front, env } = await findRunner(context, where);
  const options = { reject: false, env, cancelSignal: context.signal, stdin: "ignore", stderr: "inherit" } as const;
  const result = await execa(file, [...front, ...args], options);
  context.signal.throwIfAborted();
  if (result.exitCode === undefined) throw new CliError(`${file} could not be started.`, EXIT.machine);
  return { exitCode: result.exitCode, stdout: result.stdout };
}

/** Runs `image-gen … --json` and reads its answer; an exit code that is not in `allowed` is a failure. */
export async function askImageGen<T>(
  context: Context,
  args: readonly string[],
  allowed: readonly number[] = [0],
): Promise<T> {
  const { exitCode, stdout } = await runImageGen(context, [...args, "--json"]);
  const body = readJson(stdout);
  if (!allowed.includes(exitCode)) {
    const reason = (body as { error?: { message?: string } } | undefined)?.error?.message;
    throw new CliError(reason ?? `image-gen ${args[0]} failed (exit code ${exitCode}).`);
  }
  if (body === undefined)
    throw new CliError(`image-gen ${args[0]} answered without JSON; is its image older than this checkout?`);
  return body as T;
}

function onVolume(settings: LocalSettings, image: string): string[] {
  const env = {
    MODEL_ID: settings.modelId,
    MODEL_REVISION: settings.modelRevision,
    VAE_ID: settings.vaeId,
    HF_ENDPOINT: settings.hubEndpoint,
  };
  const flags = Object.entries(env).flatMap(([name, value]) => (value ? ["--env", `${name}=${value}`] : []));
  const token = process.env.HF_TOKEN ? ["--env", "HF_TOKEN"] : [];
  // `docker run` takes variables only before the image's name.
  const keys = passAws(process.env);
  const mount = ["--volume", `${settings.volumeName}:/data`];
  return ["run", "--rm", "-i", "--init", ...mount, ...flags, ...token, ...keys, image, "image-gen"];
}

/** Options that hand the user's AWS variables, by name alone, to a container: for mirrors and backups on s3://. */
export function passAws(env: NodeJS.ProcessEnv): string[] {
  const names = Object.keys(env).filter((name) => AWS.test(name) && env[name]);
  return names.sort().flatMap((name) => ["--env", name]);
}

function readJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
