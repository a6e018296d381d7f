import { execa } from "execa";
import type { LocalSettings } from "../../../infra/config/settings.ts";
import { DATA_PATH, MODEL_VARIABLES, SERVICE_NAME, serviceUrl, TOKEN_VARIABLE } from "../../../infra/contract.ts";
import { planImage } from "../../../infra/plan/image.ts";
import type { ReadyState } from "../../../infra/readiness/probe-result.ts";
import { commandFor } from "../../core/command-line.ts";
import type { Context } from "../../core/context.ts";
import { CliError, EXIT } from "../../core/exit.ts";
import type { ExecOptions } from "../../service/image-gen.ts";
import { dockerOrFail, findContainer, hasImage, hasVolume } from "../../toolchain/docker.ts";
import { LocalTarget, type Place, type Runner } from "../local.ts";
import { readRecord, stopProcess } from "../process/record.ts";
import type { LogsOptions } from "../target.ts";
import { upInDocker } from "./up.ts";

/** A container on this machine, made by Pulumi. */
export class DockerTarget extends LocalTarget {
  readonly mode = "docker";
  protected readonly needsMount = true;
  readonly #pulumiRoot: string | undefined;

  /** `pulumiRoot`: the folder of a Pulumi CLI that is not on PATH. */
  constructor(context: Context, pulumiRoot?: string) {
    super(context);
    this.#pulumiRoot = pulumiRoot;
  }

  protected async start(settings: LocalSettings): Promise<ReadyState> {
    const { paths, progress } = this.context;
    const running = readRecord(paths.processFile);
    if (running) {
      progress.log(`Stopping the service that runs as a process (pid ${running.pid}) …`);
      await stopProcess(paths.processFile, running);
    }
    return upInDocker(this.context, settings, this.#pulumiRoot);
  }

  protected async find(): Promise<Place | undefined> {
    const container = await findContainer(this.settings.containerName);
    return container && { url: serviceUrl(this.settings), running: container.running };
  }

  /** In the running container, else in a temporary one on the volume. */
  protected async runner({ ownContainer }: ExecOptions = {}): Promise<Runner> {
    const { settings } = this;
    const { containerName, volumeName } = settings;
    const container = await findContainer(containerName);
    if (container?.running && !ownContainer) {
      const args = ["exec", "-i", ...awsOptions(process.env), containerName, SERVICE_NAME];
      return { file: "docker", args, env: {} };
    }
    const { name } = this.context.files;
    const fix = commandFor(name, "up");
    if (!(await hasVolume(volumeName)))
      throw new CliError({ message: `The stack ${name} has no cache on this machine.`, fix }, EXIT.notRunning);
    const image = container?.imageId ?? planImage(settings).name;
    if (await hasImage(image)) return { file: "docker", args: volumeArgs(settings, image), env: {} };
    throw new CliError({ message: `The image ${image} no longer exists.`, fix }, EXIT.notRunning);
  }

  override async logs(options: LogsOptions): Promise<void> {
    const { containerName } = this.settings;
    if (!(await findContainer(containerName))) return super.logs(options);
    const follow = options.follow ? ["--follow"] : [];
    await execa("docker", ["logs", "--tail", String(options.lines), ...follow, containerName], {
      stdio: ["ignore", "inherit", "inherit"],
      reject: false,
      cancelSignal: this.context.signal,
    });
  }

  async restart(): Promise<boolean> {
    const { containerName } = this.settings;
    if (!(await findContainer(containerName))?.running) return false;
    await dockerOrFail(["restart", containerName]);
    return true;
  }
}

function volumeArgs(settings: LocalSettings, image: string): string[] {
  const keys = Object.keys(MODEL_VARIABLES) as (keyof typeof MODEL_VARIABLES)[];
  const flags = keys.flatMap((key) => (settings[key] ? ["--env", `${MODEL_VARIABLES[key]}=${settings[key]}`] : []));
  const token = process.env[TOKEN_VARIABLE] ? ["--env", TOKEN_VARIABLE] : [];
  const mount = ["--volume", `${settings.volumeName}:${DATA_PATH}`];
  const options = ["--rm", "-i", "--init", ...mount, ...flags, ...token, ...awsOptions(process.env)];
  return ["run", ...options, image, SERVICE_NAME];
}

// Not AWS_PROFILE and the like: they name files of this machine.
const AWS_VARIABLE =
  /^AWS_(ACCESS_KEY_ID|SECRET_ACCESS_KEY|SESSION_TOKEN|REGION|DEFAULT_REGION|ENDPOINT_URL(_S3)?|VIRTUAL_HOSTED_STYLE_REQUEST)$/;

/** Options that pass the user's AWS variables, by name alone, to a container: for mirrors and backups on s3://. */
export function awsOptions(env: NodeJS.ProcessEnv): string[] {
  const names = Object.keys(env).filter((name) => AWS_VARIABLE.test(name) && env[name]);
  return names.sort().flatMap((name) => ["--env", name]);
}
