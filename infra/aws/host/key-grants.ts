import * as aws from "@pulumi/aws";
import * as pulumi from "@pulumi/pulumi";
import { hookName } from "../../hook-name.ts";
import { awsPartition } from "../../plan/aws/arn.ts";
import type { AwsHostPlan } from "../../plan/aws/host.ts";

/** A role of AWS's own that starts hosts in the account's name. */
interface ServiceRole {
  readonly name: string;
  readonly service: string;
  readonly role: string;
}

const AUTO_SCALING: ServiceRole = {
  name: "group-key",
  service: "autoscaling.amazonaws.com",
  role: "AWSServiceRoleForAutoScaling",
};
const SPOT: ServiceRole = { name: "spot-key", service: "spot.amazonaws.com", role: "AWSServiceRoleForEC2Spot" };

/** What a disk that is made, attached and read with a customer's key takes. */
const OPERATIONS = [
  "CreateGrant",
  "Decrypt",
  "DescribeKey",
  "Encrypt",
  "GenerateDataKey",
  "GenerateDataKeyWithoutPlaintext",
  "ReEncryptFrom",
  "ReEncryptTo",
];

/**
 * The customer key of the root disk, for the service that starts the host: without it the host ends as soon as it starts, and
 * only an event of EC2 says why. None is needed with the account's own key, nor when the caller starts the host.
 */
export function createKeyGrants(name: string, plan: AwsHostPlan, parent: pulumi.Resource): pulumi.Resource[] {
  const { kmsKeyArn, selfHealing, purchaseOption } = plan;
  if (kmsKeyArn === null) return [];
  const roles = [...(selfHealing ? [AUTO_SCALING] : []), ...(purchaseOption === "spot" ? [SPOT] : [])];
  if (roles.length === 0) return [];
  const account = aws.getCallerIdentityOutput({}, { parent }).accountId;
  return roles.map(
    (role) =>
      new aws.kms.Grant(
        `${name}-${role.name}`,
        {
          keyId: kmsKeyArn,
          granteePrincipal: pulumi.interpolate`arn:${awsPartition(plan.region)}:iam::${account}:role/aws-service-role/${role.service}/${role.role}`,
          operations: OPERATIONS,
        },
        { parent, hooks: { onError: [grantErrorHook(name, kmsKeyArn, role)] } },
      ),
  );
}

/** The provider names neither the key nor what is missing. */
function grantErrorHook(component: string, kmsKeyArn: string, { name, service, role }: ServiceRole): pulumi.ErrorHook {
  return new pulumi.ErrorHook(hookName(component, `${name}-refused`), async ({ errors }) => {
    await pulumi.log.error(explainGrantError(errors.join("\n"), kmsKeyArn, { service, role }));
    return false;
  });
}

/** One line on a grant that KMS refused, with its fix. */
export function explainGrantError(
  text: string,
  kmsKeyArn: string,
  { service, role }: Pick<ServiceRole, "service" | "role">,
): string {
  const region = kmsKeyArn.split(":")[3] ?? "";
  const operations = OPERATIONS.join(" ");
  const what = `The key ${kmsKeyArn} can not be used by ${role}, which starts the host`;
  if (/InvalidArn|principal/i.test(text))
    return `${what}: the account has no such role yet. Fix: aws iam create-service-linked-role --aws-service-name ${service}`;
  if (/AccessDenied/i.test(text))
    return `${what}: kms:CreateGrant is denied. Fix: allow kms:CreateGrant on the key to those who deploy, in its key policy`;
  return `${what}: no grant could be made. Fix: aws kms create-grant --region ${region} --key-id ${kmsKeyArn} --grantee-principal <the role's ARN> --operations ${operations}`;
}
