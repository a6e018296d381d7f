import { execa } from "execa";
import type { LocalSettings } from "../../../infra/config/settings.ts";
import { API_KEY_VARIABLE, DATA_PATH, SERVICE_NAME, serviceUrl, TOKEN_VARIABLE } from "../../../infra/contract.ts";
import { detectGpu } from "../../../infra/io/local-gpu.ts";
import { bindMounts, modelEnvironment } from "../../../infra/plan/container.ts";
import { workerNames } from "../../../infra/plan/fleet/local-fleet.ts";
import { planGpus } from "../../../infra/plan/gpus.ts";
import { planImage } from "../../../infra/plan/image.ts";
import { settingsEnvironment } from "../../../infra/plan/service-environment.ts";
import { notRunning, readerEnvironment } from "../../core/command-line.ts";
import type { Context } from "../../core/context.ts";
import { waitForService } from "../../service/readiness.ts";
import { planOf } from "../../stack/model.ts";
import { containerVariable, dockerOrFail, findContainer, hasVolume } from "../../toolchain/docker.ts";
import { anyImage } from "../../toolchain/stack-image.ts";
import { localTarget } from "../local.ts";
import { readRecord, stopProcess } from "../process/record.ts";
import { earlierProcess } from "../process/service.ts";
import { earlierContainer } from "./earlier-container.ts";
import { upInDocker } from "./up.ts";

/** A container on this machine, made by Pulumi. `pulumiRoot`: the folder of a Pulumi CLI that is not on PATH. */
export function dockerTarget(context: Context, pulumiRoot?: string) {
  const { paths, files, progress } = context;
  const lastSettings = () => files.lastSettings("local");
  return localTarget(context, {
    mode: "docker",
    needsMount: true,
    async earlier() {
      const process = await earlierProcess(context);
      if (!process) return earlierContainer(context, pulumiRoot);
      const { containerName } = files.settings("local");
      const resume: typeof process.resume = async (options) => {
        // It may hold the port and the GPU's memory; the next `up` finds that it is gone.
        if (await findContainer(containerName)) await dockerOrFail(["rm", "--force", containerName]);
        await process.resume(options);
      };
      return { ...process, resume };
    },
    async start(settings, shell) {
      const stopOther = async () => {
        const process = readRecord(paths, files.name);
        if (!process) return;
        progress.log(`Stopping the service that runs as a process (pid ${process.pid}) …`);
        await stopProcess(paths, process);
      };
      return upInDocker(context, settings, { root: pulumiRoot, shell, stopOther });
    },
    async find() {
      const container = await findContainer(lastSettings().containerName);
      return container && { url: serviceUrl(lastSettings()), running: container.running };
    },
    apiKey: () => containerVariable(lastSettings().containerName, API_KEY_VARIABLE),
    /** In the running container, else in a temporary one on the volume. */
    async runner({ ownContainer } = {}) {
      const settings = lastSettings();
      const reader = Object.entries(readerEnvironment(files.name)).flatMap(([name, value]) => [
        "--env",
        `${name}=${value}`,
      ]);
      const container = await findContainer(settings.containerName);
      if (container?.running && !ownContainer) {
        const args = ["exec", "-i", ...reader, ...awsOptions(process.env), settings.containerName, SERVICE_NAME];
        return { file: "docker", args, env: {} };
      }
      if (!(await hasVolume(settings.volumeName)))
        throw notRunning(files.name, `The stack ${files.name} has no cache on this machine.`);
      const image =
        container?.imageId ?? (await anyImage(paths, planImage(settings, planGpus(settings.gpu, detectGpu().hasGpu))));
      if (image) return { file: "docker", args: volumeArgs(settings, image, reader), env: {} };
      throw notRunning(files.name, "The image no longer exists.");
    },
    async logs({ lines, follow, write }) {
      const settings = lastSettings();
      if (!(await findContainer(settings.containerName))) return false;
      const options = ["--timestamps", "--tail", `${lines}`, ...(follow ? ["--follow"] : [])];
      const show = async (container: string) => {
        const child = execa("docker", ["logs", ...options, container], {
          all: true,
          reject: false,
          cancelSignal: context.signal,
          buffer: false,
          stdin: "ignore",
        });
        child.all.setEncoding("utf8").on("data", write);
        await child;
      };
      const containers = [settings.containerName, ...workerNames(settings)];
      if (follow) await Promise.all(containers.map(show));
      else for (const container of containers) await show(container);
      return true;
    },
    async restart({ wait }) {
      const settings = lastSettings();
      if (!(await findContainer(settings.containerName))?.running) return undefined;
      await dockerOrFail(["restart", ...workerNames(settings), settings.containerName]);
      if (!wait) return { ready: null };
      const { readiness } = await planOf(paths, settings);
      return { ready: await waitForService(context, readiness) };
    },
  });
}

function volumeArgs(settings: LocalSettings, image: string, reader: readonly string[] = []): string[] {
  const environment = Object.entries({ ...modelEnvironment(settings), ...settingsEnvironment(settings, "container") });
  const flags = environment.flatMap(([name, value]) => ["--env", `${name}=${value}`]);
  const token = process.env[TOKEN_VARIABLE] ? ["--env", TOKEN_VARIABLE] : [];
  // A command on the cache reads no model of the user's own, and the engine would make a path that is gone.
  const mounts = bindMounts({ ...settings, modelDir: null }).flatMap(({ source, target }) => [
    "--volume",
    `${source}:${target}:ro`,
  ]);
  const user = ["--user", settings.containerUser, "--volume", `${settings.volumeName}:${DATA_PATH}`];
  const options = [
    "--rm",
    "-i",
    "--init",
    ...user,
    ...mounts,
    ...flags,
    ...reader,
    ...token,
    ...awsOptions(process.env),
  ];
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
