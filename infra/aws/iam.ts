/** Documents of IAM as JSON. */
export const policyDocument = (statements: readonly object[]): string =>
  JSON.stringify({ Version: "2012-10-17", Statement: statements });

/** Of a role that has one; a role without is limited by its own policies alone. */
export const boundaryOf = ({ permissionsBoundaryArn }: { readonly permissionsBoundaryArn: string | null }) =>
  permissionsBoundaryArn === null ? {} : { permissionsBoundary: permissionsBoundaryArn };

/** Who may take a role: a service of AWS by `Service`, or a role by `AWS`. `account`: a service only on behalf of this one. */
export const trustPolicy = (principal: Readonly<Record<string, string>>, account?: string): string =>
  policyDocument([
    {
      Effect: "Allow",
      Principal: principal,
      Action: "sts:AssumeRole",
      ...(account === undefined ? {} : { Condition: { StringEquals: { "aws:SourceAccount": account } } }),
    },
  ]);
