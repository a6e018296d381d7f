/** `imagegen up` of a stack in AWS, under the real engine: instance types without capacity, and what is pinned because of that. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { AwsProviderFake } from "../../aws-fake/index.ts";
import { pathsOf } from "../../cli/core/paths.ts";
import { progressTo } from "../../cli/core/progress.ts";
import { qualifyAll } from "../../cli/stack/config.ts";
import { StackFiles } from "../../cli/stack/files.ts";
import { upInAws } from "../../cli/targets/aws/stack/up.ts";
import { missingForAws } from "../support/fakes/aws-provider/needs.ts";
import { AwsApi } from "../support/fakes/moto/aws-api.ts";
import { Operator } from "../support/fakes/moto/operator.ts";

const missing = await missingForAws();
if (missing) console.warn(`LEFT OUT: imagegen up in AWS: ${missing}`);

describe.skipIf(missing !== undefined)("imagegen up in AWS", () => {
  let fake: AwsProviderFake;
  let api: AwsApi;
  let operator: Operator;

  beforeAll(async () => {
    fake = await AwsProviderFake.start();
    // Its own parameters, which its hosts write; moto's types and offers.
    api = await AwsApi.start({ parameters: fake.environment.AWS_ENDPOINT_URL ?? "" });
    api.quotas.set("L-DB2E81BA", 64);
    operator = new Operator(api, fake.environment);
  });

  afterAll(async () => {
    operator.remove();
    api.stop();
    await fake.stop();
  });

  const launches = () => fake.cloud.story().filter((line) => line.startsWith("RunInstances host"));

  test("a list of types without capacity fails soon, with one line for each", async () => {
    fake.cloud.knobs = { ...fake.cloud.knobs, noCapacity: () => true };
    const { stderr, exitCode } = await operator.imagegen("up", "--no-picture");
    expect(exitCode).toBe(1);
    expect(stderr).toMatch(
      /AWS has no g6\.xlarge \(on demand\).*InsufficientInstanceCapacity.*Next: g5\.xlarge \(on-demand\)/,
    );
    expect(stderr).toMatch(/AWS has no g5\.xlarge .*Next: g4dn\.xlarge/);
    expect(stderr).toMatch(/^imagegen: No host: AWS has no g4dn\.xlarge .*Fix: .*move-az/m);
    expect(launches()).toEqual([]);
    expect(fake.cloud.silentSeconds).toBeLessThan(600);
  });

  test("the next type serves, and is written into the stack's config", async () => {
    fake.cloud.knobs = { ...fake.cloud.knobs, noCapacity: ({ type }) => type === "g6.xlarge" };
    const { stdout, stderr, exitCode } = await operator.imagegen("up", "--no-picture", "--json");
    expect([exitCode, stderr]).toEqual([0, expect.stringContaining("Next: g5.xlarge")]);
    expect(JSON.parse(stdout)).toMatchObject({
      instanceType: "g5.xlarge",
      pinned: { pinnedInstanceType: "g5.xlarge" },
    });
    expect(operator.stackFile()).toContain("Picture-Perfect-Challenge:pinnedInstanceType: g5.xlarge\n");
    expect(launches()).toHaveLength(1);
  });

  test("the next up requests the same host, and creates nothing", async () => {
    fake.cloud.knobs = { ...fake.cloud.knobs, noCapacity: () => false };
    const mark = fake.cloud.calls.length;
    const { stdout, exitCode } = await operator.imagegen("up", "--no-picture", "--json");
    expect(exitCode).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ instanceType: "g5.xlarge", pinned: {} });
    expect(fake.cloud.story(mark)).toEqual([]);
  });

  test("a move releases a protected volume: it is kept, and a copy of it is used", async () => {
    const volumes = () => fake.cloud.all("aws:ebs/volume:Volume").map(({ id }) => id);
    const [before = "", ...others] = volumes();
    expect(others).toEqual([]);
    const files = new StackFiles(pathsOf(operator.directory), "aws-volume");
    const moved = {
      availabilityZone: "us-east-1b",
      volumeSnapshotId: fake.snapshotOf(before),
      volumeGeneration: "2",
    };
    files.pin(qualifyAll(moved));
    // Without the move it is refused: the volume is protected.
    const refused = await operator.imagegen("up", "--no-picture");
    expect([refused.exitCode, refused.stderr]).toEqual([1, expect.stringMatching(/protect/)]);
    Object.assign(process.env, fake.environment, api.environment);
    const progress = progressTo({ write: () => true });
    const context = {
      paths: pathsOf(operator.directory),
      files,
      progress,
      json: false,
      signal: new AbortController().signal,
    };
    await upInAws(context, { startStopped: false, retainVolumes: [before] });
    expect(volumes()).toHaveLength(2);
    expect(volumes()).toContain(before);
    expect(fake.cloud.broken).toEqual([]);
  });

  test("a quota with room for none is said before anything is made", async () => {
    api.quotas.set("L-DB2E81BA", 0);
    const mark = fake.cloud.calls.length;
    const { stderr, exitCode } = await operator.imagegen("up", "--no-picture");
    expect(exitCode).toBe(5);
    expect(stderr).toMatch(/no room for one\. Fix: aws service-quotas request-service-quota-increase/);
    expect(fake.cloud.story(mark)).toEqual([]);
  });

  test("down takes the host and leaves the protected volumes, without an error", async () => {
    const kept = fake.cloud.all("aws:ebs/volume:Volume").map(({ id }) => id);
    const images = fake.cloud.all("aws:ecr/repository:Repository");
    expect(images).toHaveLength(1);
    const { stdout, stderr, exitCode } = await operator.imagegen("down", "--yes");
    expect([exitCode, stderr]).toEqual([0, expect.stringContaining("Removing the stack aws-volume")]);
    expect(stdout).toMatch(
      /^Kept the models in the volume vol-\w+, for 4\.00 USD a month \(list price\)\. To delete it: aws ec2 delete-volume --volume-id vol-\w+ --region us-east-1$/m,
    );
    expect(stdout).toContain(`Kept the images in the repository ${images[0]?.id}, for 0.46 USD a month for each image`);
    expect(fake.cloud.all("aws:ecr/repository:Repository")).toEqual(images);
    const again = await operator.imagegen("down", "--yes");
    expect(again.stdout).not.toContain("Removed");
    expect(again.stdout).toContain(`Kept the images in the repository ${images[0]?.id}`);
    expect(fake.cloud.all("aws:ec2/instance:Instance")).toEqual([]);
    expect(fake.cloud.all("aws:ebs/volume:Volume").map(({ id }) => id)).toEqual(kept);
    expect(fake.cloud.broken).toEqual([]);
  });
});
