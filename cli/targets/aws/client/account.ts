import { type Access, clientSettings } from "./client-config.ts";
import { isAws } from "./errors.ts";

/** Who the credentials are. Errors are the SDK's own. */
export async function openIdentity(access: Access) {
  const sdk = await import("@aws-sdk/client-sts");
  const client = new sdk.STSClient(clientSettings(access));
  return {
    async caller(): Promise<{ readonly account: string; readonly arn: string }> {
      const { Account, Arn } = await client.send(new sdk.GetCallerIdentityCommand({}));
      return { account: Account ?? "", arn: Arn ?? "" };
    },
  };
}

/** How much EC2 lets this account run. Errors are the SDK's own. */
export async function openQuotas(access: Access) {
  const sdk = await import("@aws-sdk/client-service-quotas");
  const client = new sdk.ServiceQuotasClient(clientSettings(access));
  return {
    /** The quota in its own unit (vCPUs for instances); null when the account has none of its own. */
    async ec2(code: string): Promise<number | null> {
      try {
        const answer = await client.send(new sdk.GetServiceQuotaCommand({ ServiceCode: "ec2", QuotaCode: code }));
        return answer.Quota?.Value ?? null;
      } catch (error) {
        if (isAws(error, "NoSuchResourceException")) return null;
        throw error;
      }
    },
  };
}
