import { AwsError } from "../aws-error.ts";
import { type Kind, record, text } from "../kind.ts";
import { by, plain } from "./plain.ts";

const ROLE = "aws:iam/role:Role";
const POLICY = "aws:iam/policy:Policy";
/** Of managed policies: characters without white space, and how many a role may have. */
const POLICY_SIZE = 6144;
const POLICIES_OF_ROLE = 10;

/** A policy that IAM would not parse is refused, as there: MalformedPolicyDocument. */
function demandPolicy(document: unknown): void {
  if (document === undefined) return;
  try {
    const { Version, Statement } = record(JSON.parse(text(document)));
    if (Version === "2012-10-17" && Array.isArray(Statement) && Statement.length > 0) return;
  } catch {
    // Said below.
  }
  throw new AwsError("MalformedPolicyDocument", "Syntax errors in policy.");
}

export const IDENTITY: readonly Kind[] = [
  plain({
    token: ROLE,
    api: ["CreateRole", "UpdateAssumeRolePolicy", "DeleteRole"],
    id: by("name"),
    name: "name",
    replaces: ["path", "namePrefix"],
    outputs: (cloud, key) => ({
      arn: cloud.arn("iam", `role/${key}`),
      uniqueId: "AROA",
      createDate: "2026-11-22T00:00:00Z",
    }),
    demand: (_, { assumeRolePolicy }) => demandPolicy(assumeRolePolicy),
  }),
  plain({
    token: "aws:iam/rolePolicy:RolePolicy",
    api: ["PutRolePolicy", "PutRolePolicy", "DeleteRolePolicy"],
    taggable: false,
    id: (_, { role, name }) => `${text(role)}:${text(name)}`,
    name: "name",
    replaces: ["role", "namePrefix"],
    references: { role: ROLE },
    demand: (_, { policy }) => {
      demandPolicy(policy);
      if (text(policy).replaceAll(/\s/g, "").length > 10_240)
        throw new AwsError("LimitExceeded", "Maximum policy size");
    },
  }),
  plain({
    token: POLICY,
    api: ["CreatePolicy", "CreatePolicyVersion", "DeletePolicy"],
    id: (cloud, { name }) => cloud.arn("iam", `policy/${text(name)}`),
    name: "name",
    replaces: ["description", "path"],
    outputs: (_, key) => ({ arn: key, policyId: "ANPA" }),
    demand: (_, { policy }) => {
      demandPolicy(policy);
      if (text(policy).replaceAll(/\s/g, "").length > POLICY_SIZE)
        throw new AwsError("LimitExceeded", `Cannot exceed quota for PolicySize: ${POLICY_SIZE}`);
    },
  }),
  plain({
    token: "aws:iam/rolePolicyAttachment:RolePolicyAttachment",
    api: ["AttachRolePolicy", "AttachRolePolicy", "DetachRolePolicy"],
    taggable: false,
    id: (_, { role, policyArn }) => `${text(role)}/${text(policyArn)}`,
    replaces: ["role", "policyArn"],
    references: { role: ROLE },
    demand: (cloud, { role }) => {
      const attached = cloud.all("aws:iam/rolePolicyAttachment:RolePolicyAttachment");
      if (attached.filter(({ props }) => props.role === role).length >= POLICIES_OF_ROLE)
        throw new AwsError("LimitExceeded", `Cannot exceed quota for PoliciesPerRole: ${POLICIES_OF_ROLE}`);
    },
  }),
  plain({
    token: "aws:iam/openIdConnectProvider:OpenIdConnectProvider",
    api: ["CreateOpenIDConnectProvider", "AddClientIDToOpenIDConnectProvider", "DeleteOpenIDConnectProvider"],
    // An account has one for each address.
    id: (cloud, { url }) => cloud.arn("iam", `oidc-provider/${text(url).replace("https://", "")}`),
    existsCode: "EntityAlreadyExists",
    replaces: ["url"],
    outputs: (_, key) => ({ arn: key }),
    demand: (_, { url }) => {
      if (!/^https:\/\/[\w.-]+/.test(text(url)))
        throw new AwsError("InvalidInput", `Invalid provider url: ${text(url)}`);
    },
  }),
  plain({
    token: "aws:iam/instanceProfile:InstanceProfile",
    api: ["CreateInstanceProfile", "AddRoleToInstanceProfile", "DeleteInstanceProfile"],
    id: by("name"),
    name: "name",
    replaces: ["path", "namePrefix"],
    references: { role: ROLE },
    outputs: (cloud, key) => ({ arn: cloud.arn("iam", `instance-profile/${key}`), uniqueId: "AIPA" }),
  }),
];
