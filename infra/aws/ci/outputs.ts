import * as pulumi from "@pulumi/pulumi";
import { ciCommands } from "../../plan/ci/commands.ts";
import { CI_STATE_FOLDER, type CiPlan } from "../../plan/ci/plan.ts";
import type { CiAccess } from "./ci-access.ts";
import type { StateStore } from "./state-store.ts";

/** What a stack for CI exports. */
export interface CiOutputs {
  readonly target: pulumi.Output<"ci">;
  /** The stack's `aws:region`. */
  readonly region: pulumi.Output<string>;
  /** For `pulumi login` to the deployed stacks' state, and `PULUMI_BACKEND_URL`. */
  readonly backendUrl: pulumi.Output<string>;
  /** For `pulumi login` to the state of this stack itself, which no role reaches. */
  readonly ciBackendUrl: pulumi.Output<string>;
  /** For `IMAGEGEN_PREVIEW_STATE`. */
  readonly previewStateUrl: pulumi.Output<string>;
  /** For `pulumi stack init --secrets-provider`. */
  readonly secretsProvider: pulumi.Output<string>;
  /** Of the key of the state's secrets. */
  readonly keyArn: pulumi.Output<string>;
  /** The one that was made, or that is used. */
  readonly oidcProviderArn: pulumi.Output<string>;
  readonly previewRoleArn: pulumi.Output<string>;
  readonly driftRoleArn: pulumi.Output<string>;
  readonly deployRoleArn: pulumi.Output<string>;
  /** Null without `canaryStack`. */
  readonly canaryRoleArn: pulumi.Output<string | null>;
  /** Null without `mirrorUri`. */
  readonly mirrorRoleArn: pulumi.Output<string | null>;
  /** For the deployed stack's `permissionsBoundaryArn`: without it, the role that deploys may make no role. */
  readonly permissionsBoundaryArn: pulumi.Output<string>;
  /** Lines for a shell: the environments and the variables of the repository. */
  readonly ciCommands: pulumi.Output<readonly string[]>;
}

export interface CiResources {
  readonly store: Pick<StateStore, "bucket" | "keyArn">;
  readonly access: Pick<CiAccess, "providerArn" | "roleArns" | "boundaryArn">;
}

export function ciOutputs(plan: CiPlan, { store, access }: CiResources): CiOutputs {
  const { region } = plan;
  const backendUrl = pulumi.interpolate`s3://${store.bucket}?region=${region}`;
  const previewStateUrl = pulumi.interpolate`s3://${store.bucket}/previews`;
  const secretsProvider = `awskms://${plan.keyAlias}?region=${region}`;
  const commands = pulumi
    .all([backendUrl, previewStateUrl, access.roleArns])
    .apply(([backend, previews, roleArns]) =>
      ciCommands(plan, { backendUrl: backend, previewStateUrl: previews, secretsProvider, roleArns }),
    );
  return {
    target: pulumi.output(plan.target),
    region: pulumi.output(region),
    backendUrl,
    ciBackendUrl: pulumi.interpolate`s3://${store.bucket}/${CI_STATE_FOLDER}?region=${region}`,
    previewStateUrl,
    secretsProvider: pulumi.output(secretsProvider),
    keyArn: store.keyArn,
    oidcProviderArn: access.providerArn,
    previewRoleArn: access.roleArns.apply(({ preview }) => preview),
    driftRoleArn: access.roleArns.apply(({ drift }) => drift),
    deployRoleArn: access.roleArns.apply(({ deploy }) => deploy),
    canaryRoleArn: access.roleArns.apply(({ canary = null }) => canary),
    mirrorRoleArn: access.roleArns.apply(({ mirror = null }) => mirror),
    permissionsBoundaryArn: access.boundaryArn,
    ciCommands: commands,
  };
}
