import { AWS_KEYS } from "../aws/keys.ts";
import type { AwsSettings } from "../aws/settings.ts";
import type { SettingsOf } from "../key.ts";
import { GATEWAY_KEYS } from "./keys.ts";
import type { FleetSettings } from "./settings.ts";

/** What a stack on AWS is without config. */
const AWS_DEFAULTS = Object.fromEntries(
  Object.entries(AWS_KEYS).map(([key, spec]) => {
    const parsed = spec.parse(spec.default);
    if (!("value" in parsed)) throw new Error(`${key}: the default is no value of its own key`);
    return [key, parsed.value];
  }),
) as SettingsOf<typeof AWS_KEYS>;

/** Nobody reaches a host over HTTP. */
const WITHOUT_CLIENTS = {
  albSubnetIds: AWS_DEFAULTS.albSubnetIds,
  certificateArn: AWS_DEFAULTS.certificateArn,
  allowedCidrs: AWS_DEFAULTS.allowedCidrs,
  allowPublic: AWS_DEFAULTS.allowPublic,
  deletionProtection: AWS_DEFAULTS.deletionProtection,
  apiKeySecretArn: AWS_DEFAULTS.apiKeySecretArn,
  allowedHosts: null,
  corsOrigins: null,
  pictureUrlSeconds: 0,
} satisfies Record<(typeof GATEWAY_KEYS)[number], unknown>;

/** A host of the fleet as the settings of a stack with one host: plans, rules and scripts of AWS then apply to it as they are. */
export function hostSettings(settings: FleetSettings): AwsSettings {
  return {
    ...AWS_DEFAULTS,
    ...settings,
    ...WITHOUT_CLIENTS,
    target: "aws",
    purchaseOption: "spot",
    subnetId: settings.subnetIds[0] ?? null,
  };
}

/** The gateway as the settings of a stack with a load balancer: what the service and the balancer read is the same. */
export function gatewaySettings(settings: FleetSettings): AwsSettings {
  const own = Object.fromEntries(GATEWAY_KEYS.map((key) => [key, settings[key]]));
  // A gateway has no Hub to ask, and so no token.
  return { ...hostSettings(settings), ...own, access: "alb", hfTokenSecretArn: null };
}
