import { awsRule, INSTANCE, LAUNCH_TEMPLATE } from "./aws-rule.ts";

interface MetadataOptions {
  readonly httpTokens?: string;
  readonly httpPutResponseHopLimit?: number;
}

/** Who gets a process to fetch an address of their choice must not get the host's credentials by it. */
export const imdsv2Required = awsRule(
  "imdsv2-required",
  "The metadata service asks for a session token, and its answers do not reach containers.",
  [INSTANCE, LAUNCH_TEMPLATE],
  ({ props }) => {
    const { httpTokens, httpPutResponseHopLimit } = (props.metadataOptions ?? {}) as MetadataOptions;
    return [
      ...(httpTokens === "required"
        ? []
        : [`expected metadataOptions.httpTokens required, got ${httpTokens ?? "none"}.`]),
      ...(httpPutResponseHopLimit === 1
        ? []
        : [`expected metadataOptions.httpPutResponseHopLimit 1, got ${httpPutResponseHopLimit ?? "none"}.`]),
    ];
  },
);
