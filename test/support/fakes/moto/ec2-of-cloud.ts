/**
 * EC2's own interface (its query protocol) to the hosts and disks of the provider's fake, so that a command sees what the
 * program made. In: a request's parameters. Out: the answer in XML; undefined for what is not here, such as types and offers.
 */
import type { Cloud } from "../../../../aws-fake/cloud.ts";
import { number, record, type Thing, text } from "../../../../aws-fake/kind.ts";
import { INSTANCE, startInstance, stopInstance } from "../../../../aws-fake/kinds/instance.ts";
import { marketOf } from "../../../../aws-fake/kinds/launch.ts";
import { snapshot, VOLUME } from "../../../../aws-fake/kinds/volume.ts";

const SNAPSHOT = "aws:ebs/snapshot:Snapshot";
const AT = "2026-11-22T00:00:00.000Z";

type Ec2Action = (cloud: Cloud, asked: URLSearchParams) => string;

export function answerEc2(cloud: Cloud, asked: URLSearchParams): string | undefined {
  const action = asked.get("Action") ?? "";
  const answer = ANSWERS[action];
  return answer && `<${action}Response>${answer(cloud, asked)}</${action}Response>`;
}

const ANSWERS: Readonly<Record<string, Ec2Action>> = {
  DescribeInstances: (cloud, asked) => {
    const found = cloud.all(INSTANCE).filter((thing) => isAsked(thing, asked, "InstanceId"));
    return list("reservationSet", [list("instancesSet", found.map(toInstance))]);
  },
  DescribeVolumes: (cloud, asked) =>
    list(
      "volumeSet",
      cloud
        .all(VOLUME)
        .filter((thing) => isAsked(thing, asked, "VolumeId"))
        .map(toVolume),
    ),
  DescribeSnapshots: (cloud, asked) =>
    list(
      "snapshotSet",
      cloud
        .all(SNAPSHOT)
        .filter((thing) => isAsked(thing, asked, "SnapshotId"))
        .map(toSnapshot),
    ),
  CreateSnapshot: (cloud, asked) => {
    const made = snapshot(cloud, cloud.get(VOLUME, asked.get("VolumeId") ?? ""), "by a command");
    made.props = { ...made.props, tags: tagsOf(asked, "TagSpecification.1.Tag") };
    return toSnapshot(made);
  },
  DeleteSnapshot: (cloud, asked) => {
    cloud.remove(cloud.get(SNAPSHOT, asked.get("SnapshotId") ?? ""));
    return "<return>true</return>";
  },
  StopInstances: (cloud, asked) => {
    for (const id of numbered(asked, "InstanceId")) stopInstance(cloud, cloud.get(INSTANCE, id));
    return list("instancesSet", []);
  },
  StartInstances: (cloud, asked) => {
    for (const id of numbered(asked, "InstanceId")) startInstance(cloud, cloud.get(INSTANCE, id));
    return list("instancesSet", []);
  },
};

/** By id where ids are asked for, and by the tags of the filters. */
function isAsked({ id, props }: Thing, asked: URLSearchParams, key: string): boolean {
  const ids = numbered(asked, key);
  if (ids.length > 0 && !ids.includes(id)) return false;
  return filtersOf(asked).every(({ name, values }) => {
    if (name === "instance-state-name") return values.includes(text(props.instanceState));
    if (!name.startsWith("tag:")) return true;
    return values.includes(text(record(props.tags)[name.slice("tag:".length)]));
  });
}

const numbered = (asked: URLSearchParams, key: string) =>
  [...asked].flatMap(([name, value]) => (new RegExp(`^${key}\\.\\d+$`).test(name) ? [value] : []));

function filtersOf(asked: URLSearchParams) {
  const names = [...asked].filter(([key]) => /^Filter\.\d+\.Name$/.test(key));
  return names.map(([key, name]) => ({ name, values: numbered(asked, key.replace(/Name$/, "Value")) }));
}

function tagsOf(asked: URLSearchParams, prefix: string): Record<string, string> {
  const keys = [...asked].filter(([key]) => key.startsWith(prefix) && key.endsWith(".Key"));
  return Object.fromEntries(keys.map(([key, name]) => [name, asked.get(key.replace(/Key$/, "Value")) ?? ""]));
}

function toInstance({ id, props }: Thing): string {
  const { ami, instanceType, instanceState, availabilityZone } = props;
  return [
    element("instanceId", id),
    element("imageId", text(ami)),
    element("instanceType", text(instanceType)),
    element("launchTime", AT),
    `<instanceState>${element("name", text(instanceState))}</instanceState>`,
    `<placement>${element("availabilityZone", text(availabilityZone))}</placement>`,
    "<cpuOptions><coreCount>2</coreCount><threadsPerCore>2</threadsPerCore></cpuOptions>",
    instanceState === "stopped" ? element("reason", "User initiated (2026-11-22 00:00:00 GMT)") : "",
    marketOf(props) === "spot" ? element("instanceLifecycle", "spot") : "",
  ].join("");
}

function toVolume({ id, props }: Thing): string {
  const holder = text(props.__attachedTo);
  const attachments = holder === "" ? [] : [`${element("instanceId", holder)}${element("status", "attached")}`];
  return [
    element("volumeId", id),
    element("size", String(number(props.size))),
    element("snapshotId", text(props.snapshotId)),
    element("availabilityZone", text(props.availabilityZone)),
    element("status", holder === "" ? "available" : "in-use"),
    list("attachmentSet", attachments),
  ].join("");
}

function toSnapshot({ id, props }: Thing): string {
  return [
    element("snapshotId", id),
    element("volumeId", text(props.volumeId)),
    element("status", "completed"),
    element("progress", "100%"),
    element("startTime", AT),
    element("fullSnapshotSizeInBytes", text(props.__bytes) === "" ? "0" : "1073741824"),
  ].join("");
}

const element = (name: string, value: string) => (value === "" ? "" : `<${name}>${value}</${name}>`);
const list = (name: string, items: readonly string[]) =>
  `<${name}>${items.map((item) => `<item>${item}</item>`).join("")}</${name}>`;
