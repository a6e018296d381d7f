import { AwsError } from "../aws-error.ts";
import type { Cloud } from "../cloud.ts";
import { type Kind, type Props, record, text, texts } from "../kind.ts";
import { id, plain } from "./plain.ts";

const GRANT = "aws:kms/grant:Grant";
/** What a disk takes that is made and attached with a customer's key. */
const FOR_DISKS = ["CreateGrant", "Decrypt", "DescribeKey", "GenerateDataKeyWithoutPlaintext"];

export const GRANTS: readonly Kind[] = [
  plain({
    token: GRANT,
    api: ["CreateGrant", "CreateGrant", "RevokeGrant"],
    taggable: false,
    id: id("grant"),
    // Nothing of a grant can be changed.
    replaces: ["keyId", "granteePrincipal", "operations", "retiringPrincipal", "name"],
    outputs: (_, key) => ({ grantId: key, grantToken: `token-of-${key}` }),
    demand: (cloud, { granteePrincipal }) => {
      const principal = text(granteePrincipal);
      if (
        principal.startsWith(`arn:aws:iam::${cloud.account}:role/`) &&
        !cloud.knobs.missingRoles.some((role) => principal.endsWith(role))
      )
        return;
      throw new AwsError("InvalidArnException", `ARN does not refer to a valid principal: ${principal}`);
    },
  }),
];

/**
 * A service that starts hosts in the account's name may use a customer's key by a grant alone: without one the instance ends
 * as soon as it has started.
 */
export function demandDiskGrant(cloud: Cloud, disk: Props, role: string): void {
  const key = text(record(disk).kmsKeyId);
  if (key === "") return;
  const found = cloud.all(GRANT).some(({ props }) => {
    const operations = texts(props.operations);
    return (
      props.keyId === key &&
      text(props.granteePrincipal).endsWith(`/${role}`) &&
      FOR_DISKS.every((operation) => operations.includes(operation))
    );
  });
  if (!found) throw new AwsError("Client.InternalError", `Client error on launch: ${role} may not use ${key}`);
}
