import type { LocalSettings } from "../../config/settings.ts";
import { FLEET_VARIABLES, GATEWAY_COMMAND, WORK_COMMAND } from "../../contract.ts";
import type { ContainerPlan, HostPlan } from "../container.ts";
import { dockerGpus, type Gpus } from "../gpus.ts";

/** A fleet on this machine: the same containers as in AWS, with an emulator in place of SQS and S3. */
export interface LocalFleetPlan {
  /** A network of their own, in which they find each other by name. */
  readonly network: string;
  readonly emulator: EmulatorPlan;
  /** What clients reach, by the name and port that the service has in a stack without workers. */
  readonly gateway: HostPlan;
  readonly workers: readonly ContainerPlan[];
}

/** What answers as SQS and S3 do. It keeps everything in memory: jobs and results are gone when it ends. */
export interface EmulatorPlan {
  readonly containerName: string;
  readonly image: string;
  readonly network: string;
}

const PORT = 5000;
/** The account of the emulator's own addresses. */
const ACCOUNT = "123456789012";

export function planLocalFleet(settings: LocalSettings, host: HostPlan, gpus: Gpus): LocalFleetPlan {
  const { containerName, emulatorImage, workers } = settings;
  const network = `${containerName}-fleet`;
  const emulator = { containerName: `${containerName}-emulator`, image: emulatorImage, network };
  const address = `http://${emulator.containerName}:${PORT}`;
  const fleet = {
    [FLEET_VARIABLES.queueUrl]: `${address}/${ACCOUNT}/jobs`,
    [FLEET_VARIABLES.deadLetterQueueUrl]: `${address}/${ACCOUNT}/dead-letters`,
    [FLEET_VARIABLES.jobStore]: "s3://image-gen-jobs",
    [FLEET_VARIABLES.emulated]: "1",
    AWS_ENDPOINT_URL: address,
    AWS_REGION: "us-east-1",
    // An emulator takes any.
    AWS_ACCESS_KEY_ID: "emulator",
    AWS_SECRET_ACCESS_KEY: "emulator",
  };
  const environment = { ...host.environment, ...fleet };
  return {
    network,
    emulator,
    gateway: {
      ...host,
      command: [...GATEWAY_COMMAND],
      network,
      gpus: null,
      environment: { ...environment, [FLEET_VARIABLES.minWorkers]: String(workers) },
    },
    workers: workerNames(settings).map((worker, index) => ({
      ...host,
      containerName: worker,
      command: [...WORK_COMMAND],
      network,
      port: null,
      gpus: workerGpus(gpus, index) ?? host.gpus,
      environment,
    })),
  };
}

/** The containers of a stack's workers. */
export function workerNames({ containerName, workers }: Pick<LocalSettings, "containerName" | "workers">): string[] {
  return Array.from({ length: workers }, (_, index) => `${containerName}-worker-${index + 1}`);
}

/** Of GPUs that are named, each worker has one; else it has what the service would have. */
function workerGpus(gpus: Gpus, index: number): string | null {
  if (gpus === null || gpus === "all") return null;
  const id = gpus[index % gpus.length];
  return id === undefined ? null : dockerGpus([id]);
}
