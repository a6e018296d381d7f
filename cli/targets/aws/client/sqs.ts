import { type AwsClientConfig, sdkOptions } from "./client-config.ts";

/** SQS, for queues by their addresses. Errors are the SDK's own. */
export async function openSqs(config: AwsClientConfig) {
  const sdk = await import("@aws-sdk/client-sqs");
  const client = new sdk.SQSClient({
    ...sdkOptions(config),
    // The region's own, or the one of AWS_ENDPOINT_URL: the SDK else prints a warning where the two differ.
    useQueueUrlAsEndpoint: false,
  });
  return {
    /** About how many messages wait, and how many have been taken and not deleted yet. */
    async counts(url: string): Promise<{ readonly waiting: number; readonly taken: number }> {
      const AttributeNames = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"] as const;
      const { Attributes = {} } = await client.send(
        new sdk.GetQueueAttributesCommand({ QueueUrl: url, AttributeNames: [...AttributeNames] }),
      );
      const [waiting, taken] = AttributeNames.map((name) => Number(Attributes[name] ?? 0));
      return { waiting: waiting ?? 0, taken: taken ?? 0 };
    },

    /** `group`: whose turn it is, where the queue is shared. */
    async send(url: string, body: string, group: string): Promise<void> {
      await client.send(new sdk.SendMessageCommand({ QueueUrl: url, MessageBody: body, MessageGroupId: group }));
    },
  };
}

export type Sqs = Awaited<ReturnType<typeof openSqs>>;
