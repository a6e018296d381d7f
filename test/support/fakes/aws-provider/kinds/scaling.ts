import { AwsError } from "../aws-error.ts";
import type { Cloud } from "../cloud.ts";
import { type Kind, number, type Props, record, type Thing, text, texts } from "../kind.ts";
import { demandDiskGrant } from "./grants.ts";
import { INSTANCE, runInstance, terminateInstance } from "./instance.ts";
import { id, plain } from "./plain.ts";

const TEMPLATE = "aws:ec2/launchTemplate:LaunchTemplate";
export const GROUP = "aws:autoscaling/group:Group";

const first = (value: unknown): Props => record(Array.isArray(value) ? value[0] : value);

/** A launch template's words, put as an instance's. */
function launchInputs(template: Thing, group: Props): Props {
  const { props } = template;
  const ebs = record(first(props.blockDeviceMappings).ebs);
  const profile = record(props.iamInstanceProfile);
  const network = first(props.networkInterfaces);
  return {
    ami: props.imageId,
    instanceType: props.instanceType,
    userDataBase64: props.userData,
    metadataOptions: props.metadataOptions,
    subnetId: texts(group.vpcZoneIdentifiers)[0] ?? "",
    vpcSecurityGroupIds: props.vpcSecurityGroupIds ?? network.securityGroups,
    iamInstanceProfile: text(profile.name) || text(profile.arn),
    instanceMarketOptions: props.instanceMarketOptions,
    rootBlockDevice: { ...ebs, encrypted: ebs.encrypted === true || ebs.encrypted === "true" },
    tags: props.tags,
    __group: group.name,
  };
}

/** The group's own work: it keeps its desired number of hosts. A refusal is an activity that failed, not an error. */
export function scale(cloud: Cloud, group: Thing): void {
  const own = cloud.all(INSTANCE).filter(({ props }) => props.__group === group.id);
  const wanted = number(group.props.desiredCapacity, number(group.props.minSize));
  const mixed = first(record(first(group.props.mixedInstancesPolicy).launchTemplate).launchTemplateSpecification);
  const named = first(group.props.launchTemplate);
  const key = text(named.id) || text(mixed.launchTemplateId) || text(named.name);
  for (const host of own.slice(wanted)) terminateInstance(cloud, host);
  if (own.length >= wanted) return;
  const template = cloud.get(TEMPLATE, key);
  const overrides = record(first(group.props.mixedInstancesPolicy).launchTemplate).overrides;
  const types = (Array.isArray(overrides) ? overrides : []).map((one) => text(record(one).instanceType));
  const inputs = launchInputs(template, { ...group.props, name: group.id });
  demandDiskGrant(cloud, record(inputs.rootBlockDevice), "AWSServiceRoleForAutoScaling");
  for (const type of types.length > 0 ? types : [text(inputs.instanceType)]) {
    try {
      runInstance(cloud, { ...inputs, instanceType: type }, 0);
      return;
    } catch (error) {
      if (!(error instanceof AwsError) || !/Insufficient|LimitExceeded|CountExceeded/.test(error.code)) throw error;
    }
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
      const name = text(inputs.name);
      const group = cloud.add(GROUP, name, { ...inputs, arn: cloud.arn("autoscaling", name) }, name);
      cloud.record("CreateAutoScalingGroup", name);
      scale(cloud, group);
      return group;
    },
    update(cloud, group, news) {
      group.props = { ...group.props, ...news };
      cloud.record("UpdateAutoScalingGroup", group.label);
      scale(cloud, group);
    },
    delete(cloud, group) {
      for (const host of cloud.all(INSTANCE).filter(({ props }) => props.__group === group.id)) {
        terminateInstance(cloud, host);
      }
      cloud.remove(group);
      cloud.record("DeleteAutoScalingGroup", group.label);
    },
  },
];
