import { AwsError } from "../aws-error.ts";
import type { Cloud } from "../cloud.ts";
import { type Kind, type Props, type Thing, text } from "../kind.ts";
import { INSTANCE, stopInstance } from "./instance.ts";
import { attachedTo, VOLUME } from "./volume.ts";

const ATTACHMENT = "aws:ec2/volumeAttachment:VolumeAttachment";

/** AttachVolume, with all that AWS asks of it. Hosts that attach by themselves come through here too. */
export function attachVolume(cloud: Cloud, volume: Thing, host: Thing, deviceName: string): void {
  const state = text(host.props.instanceState);
  if (state !== "running" && state !== "stopped")
    throw new AwsError("IncorrectState", `Instance '${host.id}' is not 'running'.`);
  const holder = attachedTo(cloud, volume.id);
  if (holder !== undefined) {
    throw new AwsError("VolumeInUse", `${volume.id} is already attached to an instance (${holder})`);
  }
  if (volume.props.availabilityZone !== host.props.availabilityZone)
    throw new AwsError("InvalidVolume.ZoneMismatch", `The volume '${volume.id}' is not in the same zone as ${host.id}`);
  if (!/^\/dev\/(sd[b-z]|xvd[b-z]\w?)$/.test(deviceName) || deviceName === host.props.__rootDevice)
    throw new AwsError("InvalidParameterValue", `Value (${deviceName}) for parameter device is invalid.`);
  volume.props = { ...volume.props, __attachedTo: host.id };
  cloud.record("AttachVolume", `${volume.label} to ${host.label}`);
}

/** DetachVolume. AWS does it to a running host too, whatever that host is writing just then. */
function detachVolume(cloud: Cloud, volume: Thing): void {
  const host = cloud.all(INSTANCE).find((one) => one.id === attachedTo(cloud, volume.id));
  if (!host) return;
  if (host.props.instanceState === "running")
    cloud.broke(`${volume.label} detached from a running host (${host.label})`);
  volume.props = { ...volume.props, __attachedTo: "" };
  cloud.record("DetachVolume", `${volume.label} from ${host.label}`);
}

export const ATTACHMENTS: readonly Kind[] = [
  {
    token: ATTACHMENT,
    replaces: ["deviceName", "instanceId", "volumeId"],
    taggable: false,
    computed: [],
    references: { instanceId: INSTANCE, volumeId: VOLUME },
    create(cloud, { __maxRetries, ...inputs }) {
      const volume = cloud.get(VOLUME, text(inputs.volumeId));
      const host = cloud.get(INSTANCE, text(inputs.instanceId));
      // As the provider: one that is there already, from an update that was cut short, is taken over.
      if (attachedTo(cloud, volume.id) !== host.id) attachVolume(cloud, volume, host, text(inputs.deviceName));
      return cloud.add(ATTACHMENT, `vai-${volume.id}-${host.id}`, inputs);
    },
    // Its flags are the provider's own: nothing is called.
    update: () => undefined,
    delete(cloud: Cloud, attachment: Thing, state: Props) {
      cloud.remove(attachment);
      if (state.skipDestroy === true) return;
      const volume = cloud.all(VOLUME).find((one) => one.id === text(state.volumeId));
      const host = cloud.all(INSTANCE).find((one) => one.id === text(state.instanceId));
      if (!volume || !host || attachedTo(cloud, volume.id) !== host.id) return;
      // The flag counts as it was when the attachment was last written, not as the program has it now.
      if (state.stopInstanceBeforeDetaching === true) stopInstance(cloud, host);
      detachVolume(cloud, volume);
    },
  },
];
