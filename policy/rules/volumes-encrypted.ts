import { awsRule, INSTANCE, LAUNCH_TEMPLATE, VOLUME } from "./aws-rule.ts";

interface Device {
  readonly encrypted?: boolean | string;
}

interface Inputs extends Device {
  readonly rootBlockDevice?: Device;
  readonly ebsBlockDevices?: readonly Device[];
  readonly blockDeviceMappings?: readonly { readonly ebs?: Device }[];
}

/** A disk, or a snapshot of it, that leaves the account by mistake tells nothing without its key. */
export const volumesEncrypted = awsRule(
  "volumes-encrypted",
  "Data volumes and root volumes are encrypted.",
  [VOLUME, INSTANCE, LAUNCH_TEMPLATE],
  ({ type, props }) => {
    const inputs = props as Inputs;
    if (type === VOLUME) return plain(inputs) ? ["expected encrypted to be true."] : [];
    if (type === LAUNCH_TEMPLATE) {
      const mappings = inputs.blockDeviceMappings ?? [];
      const bad = mappings.length === 0 || mappings.some(({ ebs }) => plain(ebs));
      return bad ? ["expected every blockDeviceMappings to have ebs.encrypted, the root's among them."] : [];
    }
    // What isn't named takes the AMI's own setting: not encrypted.
    const root = plain(inputs.rootBlockDevice) ? ["expected rootBlockDevice.encrypted to be true."] : [];
    const others = inputs.ebsBlockDevices?.some(plain) ? ["expected ebsBlockDevices to be encrypted."] : [];
    return [...root, ...others];
  },
);

function plain(device: Device | undefined): boolean {
  return String(device?.encrypted) !== "true";
}
