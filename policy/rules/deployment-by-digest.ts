import { awsRule, PARAMETER } from "./aws-rule.ts";

/** What the host runs stands in a parameter; a tag there would be whatever was pushed last. */
export const deploymentByDigest = awsRule(
  "deployment-by-digest",
  "The deployment that a host is given names its image by digest.",
  [PARAMETER],
  ({ props }) => {
    const { name, value } = props as { name?: string; value?: string };
    if (value === undefined || !name?.endsWith("/deployment")) return [];
    const image = imageOf(value);
    return /^[^@\s]+@sha256:[0-9a-f]{64}$/.test(image ?? "")
      ? []
      : [`expected image as <repository>@sha256:…, got ${image ?? "none"}.`];
  },
);

function imageOf(value: string): string | undefined {
  try {
    const { image } = JSON.parse(value) as { image?: unknown };
    return typeof image === "string" ? image : undefined;
  } catch {
    return undefined;
  }
}
