/** An account's quota of EC2 in its own unit (vCPUs for instances); null where AWS does not say, or these credentials may not ask. */
export function quotaReader({ region, profile }: { readonly region: string; readonly profile?: string | undefined }) {
  return async (code: string): Promise<number | null> => {
    // Loaded here because it takes half a second, which only a first deployment should pay.
    const { GetServiceQuotaCommand, ServiceQuotasClient } = await import("@aws-sdk/client-service-quotas");
    const client = new ServiceQuotasClient({
      region,
      maxAttempts: 2,
      requestHandler: { connectionTimeout: 5_000, requestTimeout: 20_000 },
      ...(profile === undefined ? {} : { profile }),
    });
    try {
      const { Quota } = await client.send(new GetServiceQuotaCommand({ ServiceCode: "ec2", QuotaCode: code }));
      return Quota?.Value ?? null;
    } catch {
      return null;
    }
  };
}
