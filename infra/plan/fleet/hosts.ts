import { hostSettings } from "../../config/fleet/host-settings.ts";
import type { FleetSettings } from "../../config/fleet/settings.ts";
import { type Problem, qualifyKey } from "../../config/problem.ts";
import { type AwsHostPlan, planAwsHost } from "../aws/host.ts";
import { INSTANCE_STORE_GB, INSTANCE_TYPES, smallInstanceStores } from "../aws/instance-types.ts";

/** The hosts of both groups. */
export interface FleetHostsPlan {
  /** One of them, which attaches no volume: its data directory is on its instance store. */
  readonly host: AwsHostPlan;
  readonly minHosts: number;
  readonly maxHosts: number;
  /** 0: there is no group of on-demand hosts. */
  readonly rescueHosts: number;
  /** Seconds from a host's launch to its first picture, in which the groups count it as on its way. */
  readonly warmUpSeconds: number;
}

export function planFleetHosts(
  settings: FleetSettings,
  stack: string,
  imageBytes: number,
  warmUpSeconds: number,
): FleetHostsPlan {
  const { minHosts, maxHosts, rescueHosts } = settings;
  return {
    host: planAwsHost(hostSettings(settings), stack, imageBytes),
    minHosts,
    maxHosts,
    rescueHosts,
    warmUpSeconds,
  };
}

/** Types whose GPU or whose disk is too small for the model; for an unknown type AWS decides. */
export function fleetTypeProblems(
  { host }: Pick<FleetHostsPlan, "host">,
  { gpuMemoryMib, modelBytes }: { readonly gpuMemoryMib: number; readonly modelBytes: number },
): readonly Problem[] {
  return host.instanceTypes.flatMap((name): Problem[] => {
    const memory = INSTANCE_TYPES[name]?.gpuMemoryMib ?? Number.POSITIVE_INFINITY;
    const problem = (expected: string, got: string): Problem => {
      const fix = { set: "instanceTypes", value: "g6.xlarge,g5.xlarge" };
      return { path: qualifyKey("instanceTypes"), expected, got, fix };
    };
    return [
      ...(memory < gpuMemoryMib
        ? [problem(`GPUs with ${gpuMemoryMib} MiB or more, for this model`, `${name} with ${memory} MiB`)]
        : []),
      ...smallInstanceStores([name], modelBytes).map(({ gb }) =>
        problem(
          `an instance store of ${Math.ceil(modelBytes / 1e9)} GB or more, for this model`,
          `${name} with ${gb} GB`,
        ),
      ),
    ];
  });
}

/** What the table does not know. */
export function fleetTypeWarnings({ host }: Pick<FleetHostsPlan, "host">): readonly string[] {
  return host.instanceTypes
    .filter((name) => INSTANCE_STORE_GB[name] === undefined)
    .map(
      (name) => `${name} is not in the table of instance stores: a host without NVMe disks of its own never starts.`,
    );
}
