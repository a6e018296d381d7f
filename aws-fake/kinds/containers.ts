import { AwsError } from "../aws-error.ts";
import type { Cloud } from "../cloud.ts";
import { type Kind, number, type Props, record, type Thing, text, texts } from "../kind.ts";
import { plain } from "./plain.ts";

const CLUSTER = "aws:ecs/cluster:Cluster";
const TASK = "aws:ecs/taskDefinition:TaskDefinition";
export const SERVICE = "aws:ecs/service:Service";
const ROLE = "aws:iam/role:Role";
const SUBNET = "aws:ec2/subnet:Subnet";
const LOGS = "aws:cloudwatch/logGroup:LogGroup";

const client = (sentence: string) => new AwsError("ClientException", sentence);
const invalid = (sentence: string) => new AwsError("InvalidParameterException", sentence);
const records = (value: unknown): readonly Props[] => (Array.isArray(value) ? value.map(record) : []);
const first = (value: unknown): Props => record(Array.isArray(value) ? value[0] : value);

/** MiB of memory that Fargate has for so many units of processors: the least, the most, and the step. */
const FARGATE: Readonly<Record<string, readonly number[]>> = {
  "256": [512, 1024, 2048],
  "512": steps(1024, 4096),
  "1024": steps(2048, 8192),
  "2048": steps(4096, 16_384),
  "4096": steps(8192, 30_720),
};

function steps(least: number, most: number): number[] {
  return Array.from({ length: (most - least) / 1024 + 1 }, (_, index) => least + index * 1024);
}

const isFargate = ({ requiresCompatibilities }: Props) => texts(requiresCompatibilities).includes("FARGATE");

export const containersOf = (task: Props): readonly Props[] =>
  records(JSON.parse(text(task.containerDefinitions) || "[]"));

function demandTask(cloud: Cloud, task: Props): void {
  if (!/^[\w-]{1,255}$/.test(text(task.family)))
    throw client("Family should match the regular expression ^[a-zA-Z0-9-_]{1,255}$.");
  const containers = containersOf(task);
  const names = containers.map(({ name }) => text(name));
  if (names.length === 0) throw client("Task definition must have at least one container definition.");
  if (new Set(names).size < names.length) throw client("Container names must be unique.");
  if (!containers.some(({ essential }) => essential !== false))
    throw client("Invalid 'essential' setting for container: at least one container has to be essential.");
  for (const container of containers) demandContainer(cloud, task, container);
  if (isFargate(task)) demandFargate(cloud, task);
}

function demandContainer(cloud: Cloud, task: Props, container: Props): void {
  const name = text(container.name);
  if (!/^[\w-]{1,255}$/.test(name) || text(container.image) === "")
    throw client("Container.image should not be null or empty.");
  const volumes = records(task.volumes).map((volume) => text(volume.name));
  for (const { sourceVolume } of records(container.mountPoints))
    if (!volumes.includes(text(sourceVolume))) throw client(`Unknown volume '${text(sourceVolume)}'.`);
  for (const { containerName, condition } of records(container.dependsOn))
    demandEnd(task, text(containerName), text(condition));
  for (const { valueFrom } of records(container.secrets))
    if (!/^arn:aws:(?:secretsmanager|ssm):/.test(text(valueFrom))) throw client(`Invalid secret '${text(valueFrom)}'.`);
  if (records(container.secrets).length > 0 && text(task.executionRoleArn) === "")
    throw client("When you are specifying container secrets, you must also specify a value for 'executionRoleArn'.");
  const { options } = record(container.logConfiguration);
  const group = text(record(options)["awslogs-group"]);
  // ECS takes the name of any; a task that can't write does not start.
  if (group !== "" && !cloud.find(LOGS, group))
    cloud.broke(`${name} writes to the log group ${group}, which is not there`);
}

/** What waits for the end of another container must not be ended by that. */
function demandEnd(task: Props, name: string, condition: string): void {
  const other = containersOf(task).find((one) => one.name === name);
  if (!other) throw client(`Container dependency references a container that does not exist: ${name}.`);
  if (["SUCCESS", "COMPLETE"].includes(condition) && other.essential !== false)
    throw client(`A container with the dependency condition ${condition} can't be essential: ${name}.`);
}

function demandFargate(cloud: Cloud, task: Props): void {
  const { networkMode, cpu, memory, executionRoleArn, taskRoleArn, ephemeralStorage } = task;
  if (networkMode !== "awsvpc") throw client("Fargate only supports network mode ‘awsvpc’.");
  if (!FARGATE[text(cpu)]?.includes(Number(text(memory))))
    throw client("No Fargate configuration exists for given values.");
  const { sizeInGib } = first(ephemeralStorage);
  if (sizeInGib !== undefined && (number(sizeInGib) < 21 || number(sizeInGib) > 200))
    throw client("EphemeralStorage sizeInGiB should be between 21 and 200.");
  for (const container of containersOf(task)) {
    const { linuxParameters, stopTimeout, image, logConfiguration, portMappings } = container;
    if (record(linuxParameters).tmpfs !== undefined)
      throw client("Fargate compatible task definitions do not support tmpfs");
    const added = texts(record(record(linuxParameters).capabilities).add).filter((one) => one !== "SYS_PTRACE");
    if (added.length > 0 || container.privileged === true)
      throw client("Fargate compatible task definitions do not support privileged containers, nor these capabilities");
    if (number(stopTimeout) > 120) throw client("The stopTimeout can't be above 120 seconds.");
    for (const { hostPort, containerPort } of records(portMappings))
      if (hostPort !== undefined && hostPort !== containerPort)
        throw client("When networkMode=awsvpc, the host ports and container ports in port mappings must match.");
    const isPrivate = text(image).includes(".dkr.ecr.") || record(logConfiguration).logDriver === "awslogs";
    if (isPrivate && text(executionRoleArn) === "")
      throw client("Fargate requires task definition to have execution role ARN to support ECR images or awslogs.");
  }
  for (const arn of [executionRoleArn, taskRoleArn]) if (text(arn) !== "") demandTrust(cloud, text(arn));
}

function demandTrust(cloud: Cloud, arn: string): void {
  const role = cloud.get(ROLE, arn);
  if (text(role.props.assumeRolePolicy).includes("ecs-tasks.amazonaws.com")) return;
  throw client(`ECS was unable to assume the role '${arn}' that was provided for this task.`);
}

function demandService(cloud: Cloud, service: Props): void {
  const { cluster, taskDefinition, networkConfiguration, desiredCount } = service;
  cloud.get(CLUSTER, text(cluster));
  const task = cloud.find(TASK, text(taskDefinition));
  if (!task) throw client(`Unable to find task definition '${text(taskDefinition)}'.`);
  if (number(desiredCount) < 0) throw invalid("desiredCount can't be negative.");
  const network = first(networkConfiguration);
  if (task.props.networkMode === "awsvpc" && texts(network.subnets).length === 0)
    throw invalid("Network Configuration must be provided when networkMode 'awsvpc' is specified.");
  for (const subnet of texts(network.subnets)) cloud.get(SUBNET, subnet);
  for (const group of texts(network.securityGroups)) cloud.get("aws:ec2/securityGroup:SecurityGroup", group);
  for (const target of records(service.loadBalancers)) demandTargets(cloud, target, task, texts(network.subnets));
}

function demandTargets(cloud: Cloud, target: Props, task: Thing, subnets: readonly string[]): void {
  const arn = text(target.targetGroupArn);
  const group = cloud.find("aws:lb/targetGroup:TargetGroup", arn);
  if (!group) throw invalid(`The target group ${arn} does not exist.`);
  const listener = cloud.all("aws:lb/listener:Listener").find(({ props }) => JSON.stringify(props).includes(arn));
  if (!listener)
    throw invalid(`The target group with targetGroupArn ${arn} does not have an associated load balancer.`);
  if (group.props.targetType !== "ip" && task.props.networkMode === "awsvpc")
    throw invalid(
      `The provided target group ${arn} has target type ${text(group.props.targetType) || "instance"}, which is incompatible with the awsvpc network mode specified in the task definition.`,
    );
  const container = containersOf(task.props).find(({ name }) => name === target.containerName);
  const ports = records(container?.portMappings).map(({ containerPort }) => containerPort);
  if (!ports.includes(target.containerPort))
    throw invalid(`The container ${text(target.containerName)} does not exist in the task definition.`);
  const zoneOf = (subnet: string) => text(cloud.get(SUBNET, subnet).props.availabilityZone);
  const balancer = cloud.get("aws:lb/loadBalancer:LoadBalancer", text(listener.props.loadBalancerArn));
  const zones = texts(balancer.props.subnets).map(zoneOf);
  const outside = subnets.map(zoneOf).filter((zone) => !zones.includes(zone));
  if (outside.length > 0) cloud.broke(`tasks in ${outside.join(", ")} are in no zone of their load balancer`);
}

/** ECS as far as a service on Fargate takes it. Tasks themselves are not simulated: those of a service that is accepted run. */
export const CONTAINERS: readonly Kind[] = [
  plain({
    token: CLUSTER,
    api: ["CreateCluster", "UpdateCluster", "DeleteCluster"],
    id: (cloud, { name }) => cloud.arn("ecs", `cluster/${text(name)}`),
    name: "name",
    outputs: (_, key) => ({ arn: key }),
    demand: (_, { name }) => {
      if (!/^[\w-]{1,255}$/.test(text(name)))
        throw invalid("Cluster name must be letters, numbers, hyphens, and underscores.");
    },
    beforeDelete: (cloud, cluster) => {
      if (cloud.all(SERVICE).some(({ props }) => props.cluster === cluster.id))
        throw new AwsError(
          "ClusterContainsServicesException",
          "The Cluster cannot be deleted while Services are active.",
        );
    },
  }),
  plain({
    token: TASK,
    api: ["RegisterTaskDefinition", "TagResource", "DeregisterTaskDefinition"],
    // Each one is a further revision of its family.
    id: (cloud, { family }) => {
      const revision = cloud
        .newId("revision")
        .replace(/^.*(.{6})$/, (_, hex: string) => String(Number.parseInt(hex, 16)));
      return cloud.arn("ecs", `task-definition/${text(family)}:${revision}`);
    },
    replaces: [
      "family",
      "containerDefinitions",
      "cpu",
      "memory",
      "networkMode",
      "requiresCompatibilities",
      "runtimePlatform",
      "ephemeralStorage",
      "taskRoleArn",
      "executionRoleArn",
      "volumes",
    ],
    references: { executionRoleArn: ROLE, taskRoleArn: ROLE },
    outputs: (_, key) => ({
      arn: key,
      arnWithoutRevision: key.replace(/:\d+$/, ""),
      revision: Number(key.split(":").at(-1)),
    }),
    demand: demandTask,
  }),
  plain({
    token: SERVICE,
    api: ["CreateService", "UpdateService", "DeleteService"],
    id: (cloud, { cluster, name }) => cloud.arn("ecs", `service/${text(cluster).split("/").at(-1)}/${text(name)}`),
    name: "name",
    replaces: ["cluster", "launchType", "schedulingStrategy"],
    references: { cluster: CLUSTER },
    outputs: (_, key) => ({ arn: key }),
    demand: demandService,
  }),
];
