import { expect, test } from "vitest";
import { describeDown } from "../../../../cli/commands/down.ts";
import { CliError } from "../../../../cli/core/exit.ts";
import type { StateResource } from "../../../../cli/stack/automation-stack.ts";
import { keptPlaces, requireNoDeletionProtection } from "../../../../cli/targets/aws/stack/down.ts";

const VOLUME: StateResource = {
  type: "aws:ebs/volume:Volume",
  id: "vol-1",
  inputs: { size: 50, iops: 3000, throughput: 300 },
};
const REPOSITORY: StateResource = { type: "aws:ecr/repository:Repository", id: "image-gen-repository-1" };
const ADOPTED: StateResource = { type: "aws:ebs/volume:Volume", id: "vol-2", external: true };
const HOST: StateResource = { type: "aws:ec2/instance:Instance", id: "i-1" };

const said = (before: readonly StateResource[], left: readonly StateResource[], onDestroy = "retain") =>
  describeDown({
    stack: "s",
    stopped: ["aws"],
    ...keptPlaces(before, left, { onDestroy, region: "eu-west-1", imageUsdPerMonth: 0.49 }),
  }).split("\n");

test("down says what stays, what it costs a month, and what deletes it", () => {
  expect(said([VOLUME, REPOSITORY, ADOPTED, HOST], [VOLUME, REPOSITORY])).toEqual([
    "Removed the host in AWS and all that belongs to it.",
    "Kept the models in the volume vol-1, for 11.00 USD a month (list price). To delete it: aws ec2 delete-volume --volume-id vol-1 --region eu-west-1",
    "Kept the images in the repository image-gen-repository-1, for 0.49 USD a month for each image (list price). To delete it: aws ecr delete-repository --force --repository-name image-gen-repository-1 --region eu-west-1",
  ]);
});

test("and what is deleted, with the way to its last snapshot", () => {
  expect(said([VOLUME, REPOSITORY], [])).toEqual([
    "Removed the host in AWS and all that belongs to it.",
    "Deleted the models in the volume vol-1.",
    "Deleted the images in the repository image-gen-repository-1.",
  ]);
  expect(said([VOLUME], [], "snapshot")[1]).toBe(
    "Deleted the models in the volume vol-1 (its last snapshot: aws ec2 describe-snapshots --region eu-west-1 --filters Name=volume-id,Values=vol-1).",
  );
});

test("a load balancer with deletion protection stops it before anything is removed", () => {
  const balancer = (enableDeletionProtection: boolean): StateResource => ({
    type: "aws:lb/loadBalancer:LoadBalancer",
    id: "arn:alb",
    inputs: { enableDeletionProtection },
  });
  requireNoDeletionProtection("s", [balancer(false), HOST]);
  try {
    requireNoDeletionProtection("s", [balancer(true), HOST]);
    expect.unreachable();
  } catch (error) {
    expect(error).toBeInstanceOf(CliError);
    expect((error as CliError).message).toBe(
      "The load balancer of s has deletion protection; nothing was removed. Fix: imagegen up --config deletionProtection=false --stack s, then imagegen down --stack s",
    );
  }
});
