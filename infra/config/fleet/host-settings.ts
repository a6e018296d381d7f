import { AWS_KEYS } from "../aws/keys.ts";
import type { AwsSettings } from "../aws/settings.ts";
import type { SettingsOf } from "../key.ts";
import type { FleetSettings } from "./settings.ts";

/** What a stack on AWS is without config. */
const AWS_DEFAULTS = Object.fromEntries(
  Object.entries(AWS_KEYS).map(([key, spec]) => {
    const parsed = spec.parse(spec.default);
    if (!("value" in parsed)) throw new Error(`${key}: the default is no value of its own key`);
    return [key, parsed.value];
  }),
) as SettingsOf<typeof AWS_KEYS>;

/** A host of the fleet as the settings of a stack with one host: plans, rules and scripts of AWS then apply to it as they are. */
export function hostSettings(settings: FleetSettings): AwsSettings {
  return {
    ...AWS_DEFAULTS,
    ...settings,
    target: "aws",
    purchaseOption: "spot",
    subnetId: settings.subnetIds[0] ?? null,
  };
}
