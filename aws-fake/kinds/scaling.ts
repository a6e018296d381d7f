import { AwsError } from "../aws-error.ts";
import type { Cloud } from "../cloud.ts";
import { type Kind, number, type Props, record, type Thing, text, texts } from "../kind.ts";
import { demandDiskGrant } from "./grants.ts";
import { INSTANCE, runInstance, terminateInstance } from "./instance.ts";
import { id, plain } from "./plain.ts";
import { VOLUME } from "./volume.ts";

const TEMPLATE = "aws:ec2/launchTemplate:LaunchTemplate";
export const GROUP = "aws:autoscaling/group:Group";

const first = (value: unknown): Props => record(Array.isArray(value) ? value[0] : value);

/** What a group may ask for of its hosts' markets. */
const STRATEGIES = {
  spotAllocationStrategy: [
    "lowest-price",
    "capacity-optimized",
    "capacity-optimized-prioritized",
    "price-capacity-optimized",
  ],
  onDemandAllocationStrategy: ["prioritized", "lowest-price"],
};

/** What an instance refresh does with hosts that are protected from scale-in; the provider's default is the second. */
const OF_PROTECTED = ["Refresh", "Ignore", "Wait"];
const ofProtected = (group: Props) =>
  text(first(first(group.instanceRefresh).preferences).scaleInProtectedInstances) || "Ignore";

const isProtected = ({ props }: Thing) => props.__protected === true;

const sameTexts = (one: unknown, other: unknown) => texts(one).join() === texts(other).join();
const mixedOf = (group: Props) => first(group.mixedInstancesPolicy);
const distributionOf = (group: Props) => first(mixedOf(group).instancesDistribution);

/** Whether the group's hosts are spot ones: no part of them is on demand. */
const isSpot = (group: Props) => number(distributionOf(group).onDemandPercentageAboveBaseCapacity, 100) === 0;

function demandGroup(cloud: Cloud, group: Props): void {
  const refuse = (sentence: string) => new AwsError("ValidationError", sentence);
  if (number(group.minSize) > number(group.maxSize))
    throw refuse("Max bound must be greater than or equal to min bound");
  for (const [name, known] of Object.entries(STRATEGIES)) {
    const strategy = text(distributionOf(group)[name]);
    if (strategy !== "" && !known.includes(strategy)) throw refuse(`Invalid ${name}: ${strategy}`);
  }
  if (!OF_PROTECTED.includes(ofProtected(group)))
    throw refuse(`Invalid ScaleInProtectedInstances: ${ofProtected(group)}`);
  for (const subnet of texts(group.vpcZoneIdentifiers)) cloud.get("aws:ec2/subnet:Subnet", subnet);
  const { launchTemplateId, version } = first(record(mixedOf(group).launchTemplate).launchTemplateSpecification);
  const template = cloud.find(TEMPLATE, text(launchTemplateId));
  if (template && /^\d+$/.test(text(version)) && Number(version) > number(template.props.latestVersion))
    throw new AwsError(
      "InvalidLaunchTemplateId.VersionNotFound",
      `Could not find launch template version ${text(version)}`,
    );
}

/** A launch template's words, put as an instance's. */
function launchInputs(template: Thing, group: Props, subnetId: string): Props {
  const { props } = template;
  const ebs = record(first(props.blockDeviceMappings).ebs);
  const profile = record(props.iamInstanceProfile);
  const network = first(props.networkInterfaces);
  return {
    ami: props.imageId,
    instanceType: props.instanceType,
    userDataBase64: props.userData,
    metadataOptions: props.metadataOptions,
    subnetId,
    vpcSecurityGroupIds: props.vpcSecurityGroupIds ?? network.securityGroups,
    iamInstanceProfile: text(profile.name) || text(profile.arn),
    instanceMarketOptions: isSpot(group) ? { marketType: "spot" } : props.instanceMarketOptions,
    rootBlockDevice: { ...ebs, encrypted: ebs.encrypted === true || ebs.encrypted === "true" },
    tags: props.tags,
    __group: group.name,
    __version: number(props.latestVersion),
  };
}

/** SetInstanceProtection: what a host's worker asks for. */
export function protectHost(cloud: Cloud, id: string, isOn: boolean): void {
  const host = cloud.find(INSTANCE, id);
  const group = cloud.find(GROUP, text(host?.props.__group));
  if (!host || !group)
    throw new AwsError("ValidationError", `The instance ${id} is not part of an Auto Scaling group.`);
  host.props = { ...host.props, __protected: isOn };
  cloud.record("SetInstanceProtection", host.label);
  // It may have had too many hosts, and none that it could end.
  scale(cloud, group);
}

/** The group's own work: it keeps its desired number of hosts, and ends none that is protected. A refusal is an activity that failed, not an error. */
export function scale(cloud: Cloud, group: Thing): void {
  const own = cloud.all(INSTANCE).filter(({ props }) => props.__group === group.id);
  const { minSize, maxSize, desiredCapacity } = group.props;
  const wanted = Math.max(number(minSize), Math.min(number(desiredCapacity, number(minSize)), number(maxSize, 1)));
  const mixed = first(record(first(group.props.mixedInstancesPolicy).launchTemplate).launchTemplateSpecification);
  const named = first(group.props.launchTemplate);
  const key = text(named.id) || text(mixed.launchTemplateId) || text(named.name);
  const excess = own.length - wanted;
  const removable = own.filter((host) => !isProtected(host));
  if (excess > 0) for (const host of removable.slice(-excess)) terminateInstance(cloud, host);
  if (own.length >= wanted || texts(group.props.suspendedProcesses).includes("Launch")) return;
  const template = cloud.get(TEMPLATE, key);
  const overrides = record(first(group.props.mixedInstancesPolicy).launchTemplate).overrides;
  const types = (Array.isArray(overrides) ? overrides : []).map((one) => text(record(one).instanceType));
  for (let count = own.length; count < wanted; count += 1) if (!launch(cloud, group, template, types)) return;
}

/** A host of the first pool, a type in a zone, that has one; none where no pool has. */
function launch(cloud: Cloud, group: Thing, template: Thing, types: readonly string[]): boolean {
  for (const subnet of texts(group.props.vpcZoneIdentifiers)) {
    const inputs = launchInputs(template, { ...group.props, name: group.id }, subnet);
    demandDiskGrant(cloud, record(inputs.rootBlockDevice), "AWSServiceRoleForAutoScaling");
    for (const type of types.length > 0 ? types : [text(inputs.instanceType)]) {
      try {
        runInstance(cloud, { ...inputs, instanceType: type }, 0);
        return true;
      } catch (error) {
        if (!(error instanceof AwsError) || !NO_HOST.test(error.code)) throw error;
      }
    }
  }
  return false;
}

/** A refusal of one pool: a group tries the next one. */
const NO_HOST = /Insufficient|LimitExceeded|CountExceeded|Unsupported/;

/**
 * An instance refresh: hosts of an earlier version of the template are replaced, one after another; protected ones only by `Refresh`. A host with a
 * volume is left alone here: what becomes of its disk, the test says that loses the host.
 */
function refreshHosts(cloud: Cloud, group: Thing): void {
  if (group.props.instanceRefresh === undefined) return;
  const { launchTemplateId } = first(record(mixedOf(group.props).launchTemplate).launchTemplateSpecification);
  const version = number(cloud.find(TEMPLATE, text(launchTemplateId))?.props.latestVersion);
  const own = cloud.all(INSTANCE).filter(({ props }) => props.__group === group.id);
  const isHolding = (host: Thing) => cloud.all(VOLUME).some(({ props }) => props.__attachedTo === host.id);
  const isLeft = (host: Thing) => isProtected(host) && ofProtected(group.props) !== "Refresh";
  const stale = own.filter((host) => number(host.props.__version) < version && !isHolding(host) && !isLeft(host));
  if (stale.length === 0) return;
  cloud.record("StartInstanceRefresh", group.label);
  for (const host of stale) {
    terminateInstance(cloud, host);
    scale(cloud, group);
  }
}

export const SCALING: readonly Kind[] = [
  {
    ...plain({
      token: TEMPLATE,
      api: ["CreateLaunchTemplate", "CreateLaunchTemplateVersion", "DeleteLaunchTemplate"],
      id: id("lt"),
      name: "name",
      replaces: ["namePrefix"],
      outputs: (cloud, key) => ({
        arn: cloud.arn("ec2", `launch-template/${key}`),
        latestVersion: 1,
        defaultVersion: 1,
      }),
    }),
    update(cloud, template) {
      template.props = { ...template.props, latestVersion: number(template.props.latestVersion) + 1 };
      cloud.record("CreateLaunchTemplateVersion", template.label);
    },
  },
  {
    ...plain({
      token: GROUP,
      api: ["CreateAutoScalingGroup", "UpdateAutoScalingGroup", "DeleteAutoScalingGroup"],
      taggable: false,
      id: (_, { name }) => text(name),
      name: "name",
      replaces: ["namePrefix"],
      references: { vpcZoneIdentifiers: "aws:ec2/subnet:Subnet" },
    }),
    computed: ["arn"],
    create(cloud, { __maxRetries, ...inputs }) {
      demandGroup(cloud, inputs);
      const name = text(inputs.name);
      const group = cloud.add(GROUP, name, { ...inputs, arn: cloud.arn("autoscaling", name) }, name);
      cloud.record("CreateAutoScalingGroup", name);
      scale(cloud, group);
      return group;
    },
    update(cloud, group, news, olds) {
      demandGroup(cloud, news);
      const { suspendedProcesses: suspended, ...others } = news;
      group.props = { ...group.props, ...others };
      // By calls of their own, which the provider makes only where they change.
      if (!sameTexts(suspended, olds.suspendedProcesses))
        group.props = { ...group.props, suspendedProcesses: suspended };
      cloud.record("UpdateAutoScalingGroup", group.label);
      scale(cloud, group);
      refreshHosts(cloud, group);
    },
    delete(cloud, group) {
      const own = cloud.all(INSTANCE).filter(({ props }) => props.__group === group.id);
      // The provider removes their protection after it has set the group to none.
      if (own.some(isProtected)) cloud.record("SetInstanceProtection", group.label);
      for (const host of own) terminateInstance(cloud, host);
      cloud.remove(group);
      cloud.record("DeleteAutoScalingGroup", group.label);
    },
  },
];
