import type { PermissionTable } from "./table.ts";

/** The host's roles and keys. */
export const IDENTITY: PermissionTable = {
  "aws:iam/role:Role": {
    read: {
      roles: [
        "iam:GetRole",
        "iam:GetRolePolicy",
        "iam:ListAttachedRolePolicies",
        "iam:ListInstanceProfilesForRole",
        "iam:ListRolePolicies",
      ],
    },
    write: {
      boundedRoles: ["iam:CreateRole", "iam:PutRolePermissionsBoundary"],
      // Whoever takes a role: IAM has no condition on the boundary there. Never `DeleteRolePermissionsBoundary`.
      roles: [
        "iam:DeleteRole",
        "iam:TagRole",
        "iam:UntagRole",
        "iam:UpdateAssumeRolePolicy",
        "iam:UpdateRole",
        "iam:UpdateRoleDescription",
      ],
    },
  },
  "aws:iam/rolePolicy:RolePolicy": {
    read: { roles: ["iam:GetRolePolicy"] },
    write: { boundedRoles: ["iam:PutRolePolicy"], roles: ["iam:DeleteRolePolicy"] },
  },
  "aws:iam/instanceProfile:InstanceProfile": {
    read: { roles: ["iam:GetInstanceProfile", "iam:GetRole"] },
    write: {
      roles: [
        "iam:AddRoleToInstanceProfile",
        "iam:CreateInstanceProfile",
        "iam:DeleteInstanceProfile",
        "iam:RemoveRoleFromInstanceProfile",
        "iam:TagInstanceProfile",
        "iam:UntagInstanceProfile",
      ],
      passedRoles: ["iam:PassRole"],
    },
  },
  // On keys of `deployKmsKeyArns` alone: see roles.ts.
  "aws:kms/grant:Grant": { read: {}, write: {} },
};
