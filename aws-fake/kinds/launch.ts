import { AwsError } from "../aws-error.ts";
import type { Cloud } from "../cloud.ts";
import { TYPES } from "../facts.ts";
import { number, type Props, record, text, texts } from "../kind.ts";
import { demandDiskGrant } from "./grants.ts";

const INSTANCE = "aws:ec2/instance:Instance";
const USER_DATA_BYTES = 16_384;

/** All that EC2 asks before it runs an instance, in the order in which a first deploy meets it. */
export function demandLaunch(cloud: Cloud, inputs: Props, maxRetries: number): void {
  const type = text(inputs.instanceType);
  const zone = zoneOf(cloud, inputs);
  const facts = TYPES.get(type);
  if (!facts) throw new AwsError("InvalidInstanceType", `The instance type '${type}' does not exist`);
  if (!facts.zones.includes(zone.at(-1) ?? "-"))
    throw new AwsError(
      "Unsupported",
      `Your requested instance type (${type}) is not supported in your requested Availability Zone (${zone}). Please retry your request by not specifying an Availability Zone or choosing ${offeredIn(cloud, facts.zones)}.`,
    );
  const wanted = text(inputs.availabilityZone);
  if (wanted !== "" && wanted !== zone)
    throw new AwsError("InvalidParameterValue", `The subnet is in ${zone}, the instance was asked for in ${wanted}`);
  demandImage(cloud, inputs);
  demandUserData(inputs);
  demandGroups(cloud, inputs);
  if (record(inputs.metadataOptions).httpTokens !== "required") cloud.broke("an instance without IMDSv2");
  if (record(inputs.rootBlockDevice).encrypted !== true) cloud.broke("an instance without an encrypted root disk");
  if (marketOf(inputs) === "spot") demandDiskGrant(cloud, record(inputs.rootBlockDevice), "AWSServiceRoleForEC2Spot");
  demandQuota(cloud, inputs, facts.vcpus);
  const market = marketOf(inputs);
  if (cloud.knobs.noCapacity({ type, zone, market })) {
    // The SDK under the provider retries, silently, for as long as it is configured to.
    cloud.silentSeconds += backOff(maxRetries);
    cloud.record("RunInstances refused", `${type} in ${zone}`);
    throw new AwsError(
      "InsufficientInstanceCapacity",
      `We currently do not have sufficient ${type} capacity in the Availability Zone you requested (${zone}).`,
    );
  }
}

const offeredIn = (cloud: Cloud, letters: string) =>
  cloud.zones.filter((zone) => letters.includes(zone.at(-1) ?? "-")).join(", ");

/** The zone is the subnet's. */
export function zoneOf(cloud: Cloud, inputs: Props): string {
  const subnet = text(inputs.subnetId);
  if (subnet === "") return text(inputs.availabilityZone) || (cloud.zones[0] ?? "");
  return text(cloud.get("aws:ec2/subnet:Subnet", subnet).props.availabilityZone);
}

/** Seconds of exponential waiting, 5 minutes at most each, as the AWS SDK for Go does under the provider. */
function backOff(retries: number): number {
  return Array.from({ length: retries }, (_, index) => Math.min(2 ** index, 300)).reduce((sum, one) => sum + one, 0);
}

function demandImage(cloud: Cloud, inputs: Props): void {
  const image = cloud.images.find(({ id }) => id === text(inputs.ami));
  if (!image) throw new AwsError("InvalidAMIID.NotFound", `The image id '[${text(inputs.ami)}]' does not exist`);
  const root = number(record(inputs.rootBlockDevice).volumeSize, image.rootGb);
  if (root < image.rootGb) {
    const reason = `Volume of size ${root}GB is smaller than snapshot, expect size >= ${image.rootGb}GB`;
    throw new AwsError("InvalidBlockDeviceMapping", reason);
  }
}

function demandUserData({ userData, userDataBase64 }: Props): void {
  const raw = typeof userDataBase64 === "string" ? Buffer.from(userDataBase64, "base64") : Buffer.from(text(userData));
  if (raw.length > USER_DATA_BYTES)
    throw new AwsError("InvalidParameterValue", `User data is limited to ${USER_DATA_BYTES} bytes`);
}

function demandGroups(cloud: Cloud, inputs: Props): void {
  const subnet = cloud.find("aws:ec2/subnet:Subnet", text(inputs.subnetId));
  for (const one of texts(inputs.vpcSecurityGroupIds)) {
    const group = cloud.get("aws:ec2/securityGroup:SecurityGroup", one);
    if (subnet && group.props.vpcId !== subnet.props.vpcId)
      throw new AwsError(
        "InvalidParameter",
        `Security group ${one} and subnet ${subnet.id} belong to different networks.`,
      );
  }
}

function demandQuota(cloud: Cloud, inputs: Props, vcpus: number): void {
  const market = marketOf(inputs);
  const used = cloud
    .all(INSTANCE)
    .filter(({ props }) => props.instanceState === "running" && marketOf(props) === market)
    .reduce((sum, { props }) => sum + (TYPES.get(text(props.instanceType))?.vcpus ?? 0), 0);
  const quota = market === "spot" ? cloud.knobs.spotVcpuQuota : cloud.knobs.vcpuQuota;
  if (used + vcpus <= quota) return;
  cloud.record("RunInstances refused", text(inputs.instanceType));
  if (market === "spot") throw new AwsError("MaxSpotInstanceCountExceeded", "Max spot instance count exceeded");
  throw new AwsError(
    "VcpuLimitExceeded",
    `You have requested more vCPU capacity than your current vCPU limit of ${quota} allows for the instance bucket that the specified instance type belongs to.`,
  );
}

export function marketOf(inputs: Props): "spot" | "on-demand" {
  return text(record(inputs.instanceMarketOptions).marketType) === "spot" ? "spot" : "on-demand";
}
