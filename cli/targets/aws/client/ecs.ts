import { type AwsClientConfig, sdkOptions } from "./client-config.ts";
import { hasAwsErrorName } from "./errors.ts";

/** A service of ECS: how many tasks it is to have, and why it may have fewer. */
export interface ContainerService {
  readonly desired: number;
  readonly running: number;
  readonly deployments: readonly ServiceDeployment[];
  /** What ECS did, the latest first. */
  readonly events: readonly { readonly at: string; readonly message: string }[];
}

interface ServiceDeployment {
  /** PRIMARY: the one that the service is to have. */
  readonly status: string;
  /** COMPLETED, IN_PROGRESS or FAILED. */
  readonly rollout: string;
  /** Why, in AWS's words. */
  readonly reason: string;
}

/** ECS, for services by their names. Errors are the SDK's own. */
export async function openEcs(config: AwsClientConfig) {
  const sdk = await import("@aws-sdk/client-ecs");
  const client = new sdk.ECSClient(sdkOptions(config));
  const describe = async (command: InstanceType<typeof sdk.DescribeServicesCommand>) => {
    try {
      return (await client.send(command)).services ?? [];
    } catch (error) {
      if (hasAwsErrorName(error, "ClusterNotFoundException")) return [];
      throw error;
    }
  };
  return {
    /** Null: there is no such service any more. */
    async service(cluster: string, name: string): Promise<ContainerService | null> {
      const services = await describe(new sdk.DescribeServicesCommand({ cluster, services: [name] }));
      const [found] = services.filter(({ status }) => status === "ACTIVE");
      if (!found) return null;
      return {
        desired: found.desiredCount ?? 0,
        running: found.runningCount ?? 0,
        deployments: (found.deployments ?? []).map((each) => ({
          status: each.status ?? "",
          rollout: each.rolloutState ?? "",
          reason: each.rolloutStateReason ?? "",
        })),
        events: (found.events ?? []).map(({ createdAt, message = "" }) => ({
          at: createdAt?.toISOString() ?? "",
          message,
        })),
      };
    },
  };
}
