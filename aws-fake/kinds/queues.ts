import { AwsError } from "../aws-error.ts";
import type { Cloud } from "../cloud.ts";
import { type Kind, number, type Props, record, text, texts } from "../kind.ts";
import { plain } from "./plain.ts";

const QUEUE = "aws:sqs/queue:Queue";

/** SQS's bounds of a queue's attributes. */
const BOUNDS: Readonly<Record<string, readonly [least: number, most: number]>> = {
  visibilityTimeoutSeconds: [0, 43_200],
  messageRetentionSeconds: [60, 1_209_600],
  receiveWaitTimeSeconds: [0, 20],
  delaySeconds: [0, 900],
};

const invalid = (parameter: string, reason: string) =>
  new AwsError("InvalidParameterValue", `Value for parameter ${parameter} is invalid. Reason: ${reason}.`);

function demandQueue(cloud: Cloud, inputs: Props): void {
  if (!/^[\w-]{1,80}(\.fifo)?$/.test(text(inputs.name)))
    throw invalid("QueueName", "Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length");
  for (const [property, [least, most]] of Object.entries(BOUNDS)) {
    const value = number(inputs[property], least);
    if (value < least || value > most)
      throw new AwsError("InvalidAttributeValue", `Invalid value for ${property}: ${value}`);
  }
  if (inputs.sqsManagedSseEnabled === true && text(inputs.kmsMasterKeyId) !== "")
    throw new AwsError("InvalidAttributeValue", "You can use one type of server-side encryption (SSE) at one time.");
  if (inputs.redrivePolicy !== undefined) demandRedrive(cloud, text(inputs.redrivePolicy));
}

/** The dead letters must be there, and let this queue send to them. */
function demandRedrive(cloud: Cloud, policy: string): void {
  const { deadLetterTargetArn, maxReceiveCount } = record(JSON.parse(policy));
  const times = number(maxReceiveCount, 0);
  if (times < 1 || times > 1000) throw invalid("RedrivePolicy", "Invalid value for maxReceiveCount");
  if (!cloud.all(QUEUE).some(({ props }) => props.arn === deadLetterTargetArn))
    throw invalid("RedrivePolicy", "Dead letter target does not exist");
}

/** A policy over a queue, or over its redrives: put over what was there. */
const part = (token: string, property: string) =>
  plain({
    token,
    api: ["SetQueueAttributes", "SetQueueAttributes", "SetQueueAttributes"],
    taggable: false,
    id: (_, { queueUrl }) => text(queueUrl),
    replaces: ["queueUrl"],
    references: { queueUrl: QUEUE },
    sameIdIs: "overwritten",
    demand: (cloud, inputs) => {
      const document = record(JSON.parse(text(inputs[property])));
      const sources = texts(document.sourceQueueArns);
      if (sources.length > 10) throw invalid("RedriveAllowPolicy", "At most 10 source queues");
      const unknown = sources.filter((arn) => !cloud.all(QUEUE).some(({ props }) => props.arn === arn));
      if (unknown.length > 0) throw invalid("RedriveAllowPolicy", `${unknown.join(", ")} does not exist`);
    },
  });

export const QUEUES: readonly Kind[] = [
  plain({
    token: QUEUE,
    api: ["CreateQueue", "SetQueueAttributes", "DeleteQueue"],
    id: (cloud, { name }) => `https://sqs.${cloud.region}.amazonaws.com/${cloud.account}/${text(name)}`,
    name: "name",
    replaces: ["namePrefix", "fifoQueue"],
    existsCode: "QueueAlreadyExists",
    outputs: (cloud, key) => ({ arn: cloud.arn("sqs", key.split("/").at(-1) ?? ""), url: key }),
    demand: demandQueue,
    // SQS deletes a queue with all that is in it, and asks nobody.
    beforeDelete: (cloud, queue) => {
      if (queue.props.__jobs !== undefined) cloud.broke(`${queue.label} deleted with jobs in it`);
    },
  }),
  part("aws:sqs/queuePolicy:QueuePolicy", "policy"),
  part("aws:sqs/redriveAllowPolicy:RedriveAllowPolicy", "redriveAllowPolicy"),
];
