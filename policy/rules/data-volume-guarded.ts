import { awsRule, VOLUME } from "./aws-rule.ts";

/** Inputs of a volume that make another, empty one of it when they change. */
const REPLACING = ["availabilityZone", "encrypted", "kmsKeyId", "snapshotId"];

/**
 * An hour of downloads hangs on one line of a preview that nobody read. (Whether a volume is also retained is beyond a
 * policy: the engine does not tell that option.)
 */
export const dataVolumeGuarded = awsRule(
  "data-volume-guarded",
  "Data volumes are protected, and no change of an input replaces one.",
  [VOLUME],
  ({ props, opts }) => {
    const survives = opts.protect || props.finalSnapshot === true;
    const missing = REPLACING.filter((property) => !opts.ignoreChanges.includes(property));
    return [
      ...(survives
        ? []
        : ["expected protect, got a volume that can be deleted. Fix: pulumi config set onDestroy retain"]),
      ...(missing.length > 0 ? [`expected ignoreChanges to have ${missing.join(", ")}.`] : []),
    ];
  },
);
