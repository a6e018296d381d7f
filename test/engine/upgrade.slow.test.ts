/** Stacks that commit 51b7e56 deployed, brought up by the program of this checkout: nothing is lost, nothing is fetched again. */
import { afterAll, describe, expect, test } from "vitest";
import { AwsSetting, awsTests } from "../engine-aws/setting.ts";
import { docker } from "../support/docker.ts";
import { checkOutEarlier, EARLIER, missingEarlier } from "../support/earlier-program.ts";
import { succeeded } from "../support/engine-stack.ts";
import { CONTAINER, engineTests, Setting, VOLUME } from "./setting.ts";

const PROGRAM = ["Pulumi.yaml", "package.json", "infra", "stacks", "policy", "scripts", "image-gen"];
/** Types that hold data, or that others outside the stack may refer to. */
const KEPT = /volume:Volume|repository:|vpc:|subnet:|role:|logGroup:/i;
const missing = await missingEarlier();
if (missing) console.warn(`LEFT OUT: stacks of ${EARLIER}: ${missing}`);
const earlier = missing ? undefined : await checkOutEarlier(PROGRAM);

describe.skipIf(!earlier)(`a stack that ${EARLIER} deployed`, async () => {
  afterAll(() => earlier?.remove());
  const program = () => earlier?.directory ?? "";

  const local = new Setting("upgrade", "stub", program);
  await engineTests("on Docker", local, () => {
    test("keeps its volume and what is in it; a second up changes nothing", async () => {
      const stack = await local.stack("kept", { modelId: "stub/ready" });
      succeeded(await stack.up());
      const mark = ["run", "--rm", "--volume", `${local.volume("kept")}:/data`, "--entrypoint", "sh"];
      const image = await docker("inspect", "-f", "{{.Image}}", local.container("kept"));
      await docker(...mark, image, "-c", "echo precious > /data/huggingface/mark");
      local.project.useCheckout();
      const upgraded = succeeded(await stack.up());
      expect(upgraded.changes.filter((change) => change.includes(VOLUME))).toEqual([]);
      expect(upgraded.changes.filter((change) => change === `replace ${CONTAINER}`).length).toBeLessThanOrEqual(1);
      const labels = '{{index .Config.Labels "imagegen.stack"}} {{index .Config.Labels "imagegen.checkout"}}';
      expect(await docker("inspect", "-f", labels, local.container("kept"))).toBe(`kept ${local.project.directory}`);
      expect(await docker(...mark, image, "-c", "cat /data/huggingface/mark")).toBe("precious");
      expect(succeeded(await stack.up({ expectNoChanges: true })).changes).toEqual([]);
    });
  });

  const aws = new AwsSetting(earlier?.directory);
  await awsTests("stacks on AWS", aws, () => {
    const volumes = () => aws.fake.cloud.all("aws:ebs/volume:Volume").map(({ id, props }) => [id, props.__bytes]);

    // URNs of every stack file's are compared without an engine (test/component/stack-urns.test.ts).
    test("keep their volumes, repositories, networks and roles; a second up changes nothing", async () => {
      const stacks = [await aws.existing("aws-volume")];
      for (const stack of stacks) succeeded(await stack.up());
      const kept = volumes();
      aws.project.useCheckout();
      for (const stack of stacks) {
        const gone = succeeded(await stack.up()).changes.filter((change) => /^(?:delete|replace)/.test(change));
        expect(gone.filter((change) => KEPT.test(change))).toEqual([]);
        expect(succeeded(await stack.up()).changes).toEqual([]);
      }
      expect(volumes()).toEqual(kept);
      expect(aws.fake.cloud.broken).toEqual([]);
    });
  });
});
