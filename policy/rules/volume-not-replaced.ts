import type { ResourceValidationPolicy } from "@pulumi/policy";

const VOLUME = "docker:index/volume:Volume";
const REPLACING = ["labels", "driver", "driverOpts"];

/**
 * A volume that another tool made differs in these; a replacement would be a new, empty one of the same name.
 * (Whether it is retained is beyond a policy: the engine does not tell that option.)
 */
export const volumeNotReplaced: ResourceValidationPolicy = {
  name: "volume-not-replaced",
  description: "No difference in labels or driver replaces a volume.",
  enforcementLevel: "mandatory",
  validateResource: ({ type, name, opts }, reportViolation) => {
    if (type !== VOLUME) return;
    const missing = REPLACING.filter((property) => !opts.ignoreChanges.includes(property));
    if (missing.length > 0) reportViolation(`${name}: expected ignoreChanges to have ${missing.join(", ")}.`);
  },
};
