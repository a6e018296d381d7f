import { GATEWAY_CONTAINER, SERVICE_PORT } from "../../contract.ts";
import type { GatewayPlan } from "../../plan/fleet/gateway.ts";

/** The volume that the container writes temporary files to, and the container that opens it. */
export const TMP_VOLUME = "tmp";
const TMP_PATH = "/tmp";

export interface GatewayTask {
  readonly plan: Pick<
    GatewayPlan,
    "command" | "environment" | "secrets" | "user" | "capabilitiesDropped" | "stopSeconds"
  >;
  readonly image: string;
  readonly region: string;
  readonly logGroup: string;
}

/** The containers of a task, as ECS reads them. */
export function renderContainers({ plan, image, region, logGroup }: GatewayTask): string {
  const { command, environment, secrets, user, capabilitiesDropped, stopSeconds } = plan;
  const both = {
    image,
    readonlyRootFilesystem: true,
    linuxParameters: { capabilities: { drop: capabilitiesDropped } },
    mountPoints: [{ sourceVolume: TMP_VOLUME, containerPath: TMP_PATH, readOnly: false }],
    logConfiguration: {
      logDriver: "awslogs",
      options: {
        "awslogs-group": logGroup,
        "awslogs-region": region,
        "awslogs-stream-prefix": GATEWAY_CONTAINER,
        // A gateway answers also while CloudWatch does not.
        mode: "non-blocking",
      },
    },
  };
  const gateway = {
    ...both,
    name: GATEWAY_CONTAINER,
    essential: true,
    command,
    user,
    environment: sorted(environment).map(([name, value]) => ({ name, value })),
    secrets: sorted(secrets).map(([name, valueFrom]) => ({ name, valueFrom })),
    portMappings: [{ containerPort: SERVICE_PORT, protocol: "tcp" }],
    dependsOn: [{ containerName: TMP_VOLUME, condition: "SUCCESS" }],
    stopTimeout: stopSeconds,
  };
  // Fargate has no tmpfs, and a volume of a task is root's. It is opened as /tmp is everywhere, and the container ends.
  const opener = {
    ...both,
    name: TMP_VOLUME,
    essential: false,
    command: ["chmod", "1777", TMP_PATH],
    user: "0:0",
  };
  return JSON.stringify([opener, gateway]);
}

const sorted = (record: Readonly<Record<string, string>>) =>
  Object.entries(record).sort(([a], [b]) => (a < b ? -1 : 1));

/** Where ECS and the tasks themselves say why. */
interface DeploymentPlace {
  readonly cluster?: string | undefined;
  readonly service?: string | undefined;
  readonly region: string;
  readonly logGroup: string;
}

/** One line on a deployment whose tasks never answered, with its fix; null for what AWS has refused at once, and says itself. */
export function explainDeploymentError(errors: readonly string[], place: DeploymentPlace): string | null {
  if (!errors.some((error) => /tfSTABLE|circuit breaker|deployment failed|rolled back/i.test(error))) return null;
  const { cluster = "<cluster>", service = "<service>", region, logGroup } = place;
  const events = `aws ecs describe-services --region ${region} --cluster ${cluster} --services ${service} --query "services[].events[:5].message"`;
  const log = `aws logs tail ${logGroup} --region ${region} --log-stream-name-prefix ${GATEWAY_CONTAINER}/ --since 1h`;
  return `The tasks of the gateway did not answer: a secret that ECS can't read, an image that can't be pulled, or a setting that the gateway refuses. Fix: ${events}, or ${log}, which say which`;
}
