import type { CiNames } from "../../../infra/plan/ci/commands.ts";
import type { CiPlace } from "../../../infra/plan/ci/permissions/scopes.ts";
import type { StateEntry } from "./state-project.ts";

/** What a deployed stack for CI says of itself. */
export interface CiOutputValues extends CiNames {
  readonly region: string;
  readonly ciBackendUrl: string;
  readonly secretsProvider: string;
  readonly keyArn: string;
  readonly oidcProviderArn: string;
  readonly permissionsBoundaryArn: string;
}

type Values = Readonly<Record<string, unknown>>;

const TEXTS = [
  "region",
  "backendUrl",
  "previewStateUrl",
  "ciBackendUrl",
  "secretsProvider",
  "keyArn",
  "oidcProviderArn",
  "permissionsBoundaryArn",
  "previewRoleArn",
  "driftRoleArn",
  "deployRoleArn",
] as const;

/** The outputs as one value; null where one lacks, as after an `up` that failed. */
export function parseCiOutputs(values: Values): CiOutputValues | null {
  const found = Object.fromEntries(TEXTS.map((name) => [name, values[name]]));
  if (!Object.values(found).every((value) => typeof value === "string" && value !== "")) return null;
  const { previewRoleArn, driftRoleArn, deployRoleArn, ...others } = found as Record<(typeof TEXTS)[number], string>;
  const { canaryRoleArn: canary, mirrorRoleArn: mirror } = values;
  return {
    ...others,
    roleArns: {
      preview: previewRoleArn,
      drift: driftRoleArn,
      deploy: deployRoleArn,
      ...(typeof canary === "string" ? { canary } : {}),
      ...(typeof mirror === "string" ? { mirror } : {}),
    },
  };
}

/** The outputs in a state; null where it has none. */
export function outputsIn(entries: readonly StateEntry[] | undefined): CiOutputValues | null {
  const stack = entries?.find(({ type }) => type === "pulumi:pulumi:Stack");
  return parseCiOutputs(stack?.outputs ?? {});
}

/** What the policies of the roles name. */
export function placeOf({ region, backendUrl, keyArn, permissionsBoundaryArn }: CiOutputValues): CiPlace {
  const [, partition = "aws", , , account = ""] = permissionsBoundaryArn.split(":");
  const bucket = new URL(backendUrl).hostname;
  return { partition, region, account, bucketArn: `arn:${partition}:s3:::${bucket}`, keyArn };
}
