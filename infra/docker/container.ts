/**
 * Stage 5, host. In: an image id, a volume and the host plan. Out: one running container behind one contract.
 * Never knows how a model loads; whether it did is the health stage's question.
 */
import * as docker from "@pulumi/docker";
import * as pulumi from "@pulumi/pulumi";
import type { Secrets } from "../config/load.ts";
import { readVariables } from "../config/parsers.ts";
import type { ContainerPlan, HealthCheck } from "../plan/container.ts";
import { dockerDuration } from "../units.ts";

export interface DockerHostArgs {
  readonly plan: ContainerPlan;
  readonly imageId: pulumi.Input<string>;
  readonly volumeName: pulumi.Input<string>;
  /** What the plan's secret variables are; they reach the container as secrets. */
  readonly secrets?: Secrets;
  /** Variables beside the plan's, which only its messages depend on. */
  readonly reader?: Readonly<Record<string, string>>;
  /** Labels that tell whose the container is. */
  readonly labels?: Readonly<Record<string, string>>;
  /** Called when the container can't be made. */
  readonly onError?: pulumi.ErrorHook;
}

/**
 * The service on this machine's Docker. A change of its image or settings replaces the container, the old one first:
 * both have one name and one port. Models are in the volume, so this costs seconds.
 */
export class DockerHost extends pulumi.ComponentResource {
  /** Changes with every replacement. */
  readonly containerId: pulumi.Output<string>;
  readonly containerName: pulumi.Output<string>;

  constructor(name: string, args: DockerHostArgs, opts?: pulumi.ComponentResourceOptions) {
    super("imagegen:host:DockerHost", name, {}, opts);

    const container = new docker.Container(`${name}-container`, containerArgs(args), {
      parent: this,
      deleteBeforeReplace: true,
      // The provider reports these as changed in place, and leaves the container as it was.
      replaceOnChanges: ["healthcheck", "tmpfs", "init"],
      // A project that was moved, or that a pipeline checks out elsewhere each time, keeps its container.
      ignoreChanges: ["labels"],
      ...(args.onError ? { hooks: { onError: [args.onError] } } : {}),
    });

    this.containerId = container.id;
    this.containerName = container.name;
    this.registerOutputs({ containerId: this.containerId, containerName: this.containerName });
  }
}

/** The plan in the provider's words, spelled as Docker gives them back: else each update would see a change. */
function containerArgs({
  plan,
  imageId,
  volumeName,
  secrets = {},
  reader = {},
  labels = {},
}: DockerHostArgs): docker.ContainerArgs {
  return {
    name: plan.containerName,
    image: imageId,
    ...(plan.command === null ? {} : { command: [...plan.command] }),
    labels: Object.entries(labels).map(([label, value]) => ({ label, value })),
    envs: environment({ ...plan, environment: { ...plan.environment, ...reader } }, secrets),
    ports: ports(plan),
    mounts: [
      { type: plan.volume.kind, source: volumeName, target: plan.volume.path },
      ...plan.bindMounts.map(({ source, target }) => ({ type: "bind", source, target, readOnly: true })),
    ],
    healthcheck: healthcheck(plan.healthCheck),
    user: plan.user,
    readOnly: true,
    tmpfs: { ...plan.tmpfs },
    capabilities: { drops: [...plan.capabilitiesDropped] },
    securityOpts: [...plan.securityOptions],
    init: true,
    restart: "unless-stopped",
    networkMode: plan.network,
    stopTimeout: plan.stopSeconds,
    // Without it the provider kills at once, whatever `stopTimeout` says.
    destroyGraceSeconds: plan.stopSeconds,
    logDriver: plan.log.driver,
    logOpts: { ...plan.log.options },
    ...(plan.gpus === null ? {} : { gpus: plan.gpus }),
    // Docker fills in twice the memory as swap; stated here, it is no change. No swap: weights must not page.
    ...(plan.memoryMb === null ? {} : { memory: plan.memoryMb, memorySwap: plan.memoryMb }),
  };
}

function ports({ port }: ContainerPlan): docker.types.input.ContainerPort[] {
  if (port === null) return [];
  return [{ internal: port.internal, external: port.external, ip: port.bindAddress, protocol: "tcp" }];
}

function environment(plan: ContainerPlan, secrets: Secrets): pulumi.Input<pulumi.Input<string>[]> {
  const pairs = (values: Readonly<Record<string, string>>) =>
    Object.entries(values).map(([name, value]) => `${name}=${value}`);
  const plain = pairs(plan.environment);
  const values = plan.secrets.map(({ key, name }) => {
    const value = pulumi.secret(secrets[key] ?? "");
    return value.apply((known) => (name === null ? pairs(readVariables(known)) : [`${name}=${known}`]));
  });
  return values.length === 0 ? plain : pulumi.all(values).apply((each) => [...plain, ...each.flat()]);
}

function healthcheck(check: HealthCheck) {
  return {
    tests: [...check.test],
    interval: dockerDuration(check.intervalSeconds),
    timeout: dockerDuration(check.timeoutSeconds),
    startPeriod: dockerDuration(check.startPeriodSeconds),
    retries: check.retries,
  };
}
