import { type AwsClientConfig, sdkOptions } from "./client-config.ts";
import { hasAwsErrorName } from "./errors.ts";

/** STS: whom the credentials belong to. Errors are the SDK's own. */
export async function openIdentity(config: AwsClientConfig) {
  const sdk = await import("@aws-sdk/client-sts");
  const client = new sdk.STSClient(sdkOptions(config));
  return {
    async caller(): Promise<{ readonly account: string; readonly arn: string }> {
      const { Account, Arn } = await client.send(new sdk.GetCallerIdentityCommand({}));
      return { account: Account ?? "", arn: Arn ?? "" };
    },
  };
}

/** Service Quotas. Errors are the SDK's own. */
export async function openQuotas(config: AwsClientConfig) {
  const sdk = await import("@aws-sdk/client-service-quotas");
  const client = new sdk.ServiceQuotasClient(sdkOptions(config));
  return {
    /** The quota in its own unit (vCPUs for instances); null when the account has none of its own. */
    async ec2(code: string): Promise<number | null> {
      try {
        const answer = await client.send(new sdk.GetServiceQuotaCommand({ ServiceCode: "ec2", QuotaCode: code }));
        return answer.Quota?.Value ?? null;
      } catch (error) {
        if (hasAwsErrorName(error, "NoSuchResourceException")) return null;
        throw error;
      }
    },
  };
}
