import * as aws from "@pulumi/aws";
import * as pulumi from "@pulumi/pulumi";
import type { JobsPlan } from "../../plan/fleet/jobs.ts";
import { policyDocument } from "../iam.ts";

/** The queue that workers take jobs from, and the one for those that can't be made. */
export class JobQueue extends pulumi.ComponentResource {
  readonly url: pulumi.Output<string>;
  readonly arn: pulumi.Output<string>;
  readonly queueName: pulumi.Output<string>;
  readonly deadLettersUrl: pulumi.Output<string>;
  readonly deadLettersArn: pulumi.Output<string>;
  readonly deadLettersName: pulumi.Output<string>;

  constructor(name: string, { plan }: { readonly plan: JobsPlan }, opts?: pulumi.ComponentResourceOptions) {
    super("imagegen:fleet:JobQueue", name, {}, opts);
    // A message names a job that somebody waits for: a mistake must not delete it.
    const kept = { parent: this, protect: plan.retain, retainOnDelete: plan.retain };

    const dead = new aws.sqs.Queue(
      `${name}-dead-letters`,
      { messageRetentionSeconds: plan.deadLetterRetentionSeconds, sqsManagedSseEnabled: true },
      kept,
    );
    const queue = new aws.sqs.Queue(
      `${name}-jobs`,
      {
        // Standard, not FIFO: the group of a message makes it fair, and a job is made once by its result.
        visibilityTimeoutSeconds: plan.visibilityTimeout,
        receiveWaitTimeSeconds: plan.receiveWait,
        messageRetentionSeconds: plan.retentionSeconds,
        sqsManagedSseEnabled: true,
        redrivePolicy: dead.arn.apply((deadLetterTargetArn) =>
          JSON.stringify({ deadLetterTargetArn, maxReceiveCount: plan.mostReceives }),
        ),
      },
      kept,
    );
    for (const [role, one] of Object.entries({ "dead-letters": dead, jobs: queue })) {
      new aws.sqs.QueuePolicy(
        `${name}-${role}`,
        { queueUrl: one.url, policy: one.arn.apply((arn) => policyDocument([tlsOnlyQueue(arn)])) },
        { parent: this, retainOnDelete: plan.retain },
      );
    }
    new aws.sqs.RedriveAllowPolicy(
      `${name}-dead-letters`,
      {
        queueUrl: dead.url,
        redriveAllowPolicy: queue.arn.apply((arn) =>
          JSON.stringify({ redrivePermission: "byQueue", sourceQueueArns: [arn] }),
        ),
      },
      { parent: this, retainOnDelete: plan.retain },
    );

    this.url = queue.url;
    this.arn = queue.arn;
    this.queueName = queue.name;
    this.deadLettersUrl = dead.url;
    this.deadLettersArn = dead.arn;
    this.deadLettersName = dead.name;
    this.registerOutputs({ url: this.url, deadLettersUrl: this.deadLettersUrl });
  }
}

/** Refuses requests without TLS. */
const tlsOnlyQueue = (queueArn: string) => ({
  Sid: "TlsOnly",
  Effect: "Deny",
  Principal: "*",
  Action: "sqs:*",
  Resource: queueArn,
  Condition: { Bool: { "aws:SecureTransport": "false" } },
});
