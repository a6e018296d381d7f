import { expect, test } from "vitest";
import { renderDeployment } from "../../../../infra/aws/host/deployment.ts";
import { awsPlanWith } from "../../../support/aws-settings.ts";

const image = `r@sha256:${"1".repeat(64)}`;
const plan = awsPlanWith().deployment;

test("a deployment says all that the host must know, in the contract's words", () => {
  const { id, ...rest } = renderDeployment(plan, image);
  expect(id).toMatch(/^[0-9a-f]{16}$/);
  expect(rest).toEqual({
    schema: 1,
    image,
    environment: plan.environment,
    secrets: {},
    gpus: "all",
    stopSeconds: 60,
  });
});

test("its id is the same when the order of things is another", () => {
  const turned = Object.fromEntries(Object.entries(plan.environment).reverse());
  expect(renderDeployment({ ...plan, environment: turned }, image)).toEqual(renderDeployment(plan, image));
});

test.each([
  ["image", plan, `r@sha256:${"2".repeat(64)}`],
  ["environment", { ...plan, environment: { ...plan.environment, MODEL_ID: "demo" } }, image],
  ["secret", { ...plan, secrets: { HF_TOKEN: "arn" } }, image],
  ["GPU", { ...plan, gpus: null }, image],
  ["stop time", { ...plan, stopSeconds: 61 }, image],
])("another %s is another id", (_, changed, other) => {
  expect(renderDeployment(changed, other).id).not.toBe(renderDeployment(plan, image).id);
});

test("it fits into a parameter of the standard tier, secrets and mirror included", () => {
  const arn = (name: string) => `arn:aws:secretsmanager:us-east-1:123456789012:secret:${name}-AbCdEf`;
  const full = awsPlanWith({
    hfTokenSecretArn: arn("hugging-face-token"),
    apiKeySecretArn: arn("image-gen-key"),
    modelMirror: "s3://a-bucket-with-a-long-name-in-it/models/of/everybody",
  });
  expect(JSON.stringify(renderDeployment(full.deployment, image)).length).toBeLessThan(4096);
});
