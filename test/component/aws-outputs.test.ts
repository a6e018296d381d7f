import * as pulumi from "@pulumi/pulumi";
import { expect, test } from "vitest";
import { type AwsOutputs, awsOutputs } from "../../infra/aws/outputs.ts";
import { IMAGE } from "../support/aws-program.ts";
import { awsPlanWith } from "../support/aws-settings.ts";
import { known } from "../support/outputs.ts";

const made = {
  image: {
    imageReference: pulumi.output(IMAGE.imageReference),
    repositoryUrl: pulumi.output(IMAGE.repositoryUrl),
  },
  cache: { volumeId: pulumi.output("vol-1"), availabilityZone: pulumi.output("us-east-1b") },
  host: {
    instanceId: pulumi.output<string | null>("i-1"),
    deploymentId: pulumi.output("d1"),
    logGroup: pulumi.output("/imagegen/prod"),
  },
  loadBalancer: null,
  ready: pulumi.output(null),
  preview: false,
};

async function valuesOf(outputs: AwsOutputs) {
  const entries = Object.entries(outputs).map(async ([key, value]) => [
    key,
    await known(value as pulumi.Output<unknown>),
  ]);
  return Object.fromEntries(await Promise.all(entries)) as Record<string, unknown>;
}

test("outputs have the names of a local stack's, and AWS's own", async () => {
  expect(await valuesOf(awsOutputs(awsPlanWith(), made))).toEqual({
    url: "http://127.0.0.1:8000",
    readyUrl: "http://127.0.0.1:8000/readyz",
    target: "aws",
    modelId: "stabilityai/stable-diffusion-xl-base-1.0",
    modelCache: "volume",
    containerName: "image-game-image-gen",
    device: "cuda",
    region: "us-east-1",
    availabilityZone: "us-east-1b",
    instanceId: "i-1",
    volumeId: "vol-1",
    parameterPrefix: "/imagegen/prod",
    deploymentId: "d1",
    repositoryUrl: IMAGE.repositoryUrl,
    imageReference: IMAGE.imageReference,
    imageDigest: `sha256:${"1".repeat(64)}`,
    logGroup: "/imagegen/prod",
  });
});

test("behind a load balancer the address is its", async () => {
  const loadBalancer = { url: pulumi.output("https://alb.example") };
  expect(await valuesOf(awsOutputs(awsPlanWith(), { ...made, loadBalancer }))).toMatchObject({
    url: "https://alb.example",
    readyUrl: "https://alb.example/readyz",
  });
});

test("no output is there before the gate opens", async () => {
  const ready = pulumi.output(new Promise<null>(() => {}));
  const soon = new Promise((resolve) => setTimeout(resolve, 50, "waiting"));
  for (const output of Object.values(awsOutputs(awsPlanWith(), { ...made, ready }))) {
    expect(await Promise.race([known(output as pulumi.Output<unknown>), soon])).toBe("waiting");
  }
});
