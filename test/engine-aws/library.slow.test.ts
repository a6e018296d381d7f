/** The package's AWS components in a project of somebody else's, and the examples, on the fake of AWS. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { AwsProviderFake } from "../../aws-fake/index.ts";
import { record } from "../../aws-fake/kind.ts";
import { onPath } from "../../cli/core/on-path.ts";
import { failed, succeeded } from "../support/engine-stack.ts";
import { missingForAws } from "../support/fakes/aws-provider/needs.ts";
import { GATEWAY } from "../support/fleet-settings.ts";
import { LibraryProject } from "../support/library-project.ts";

const missing = await missingForAws();
if (missing) console.warn(`LEFT OUT: the package's AWS components in another project: ${missing}`);

const missingYaml = onPath("pulumi-language-yaml") ? undefined : "`pulumi-language-yaml` is not on PATH.";
if (missingYaml) console.warn(`LEFT OUT: the package's AWS components in a YAML program: ${missingYaml}`);

const INSTANCE = "aws:ec2/instance:Instance";
const VOLUME = "aws:ebs/volume:Volume";
const SUBNET = "aws:ec2/subnet:Subnet";
const ROLE = "aws:iam/role:Role";
const GROUP = "aws:autoscaling/group:Group";
const QUEUE = "aws:sqs/queue:Queue";
const BUCKET = "aws:s3/bucket:Bucket";
const SERVICE = "aws:ecs/service:Service";
const TASK = "aws:ecs/taskDefinition:TaskDefinition";

describe.skipIf(missing !== undefined)("the package's AWS components in another project", () => {
  let fake: AwsProviderFake;
  let project: LibraryProject;

  beforeAll(async () => {
    fake = await AwsProviderFake.start();
    project = await LibraryProject.install({ linked: true });
    fake.serve(project.directory);
  });

  afterAll(async () => {
    await fake?.stop();
    project?.remove();
  });

  const own = (stack: string) => ({
    "imagegen:project": "Picture-Perfect-Challenge",
    "imagegen:stack": `shop-${stack}-images`,
  });
  const program = (args: object, more = "") =>
    [
      'import { AwsImageGen } from "picture-perfect-challenge";',
      more,
      `const images = new AwsImageGen("images", ${JSON.stringify(args)}${more === "" ? "" : ", opts"});`,
      "export const { url, instanceId, parameterPrefix, logGroup } = images;",
    ].join("\n");
  const tagsOf = (kind: string) => fake.cloud.all(kind).map(({ props }) => record(props.tags));

  test("three lines are deployed with tags and a region; a second update has nothing to change", async () => {
    project.program("shop", program({ region: "us-east-1", tags: { team: "pictures" } }));
    const stack = await project.stack("dev", fake.environment);
    const preview = succeeded(await stack.preview());
    expect(preview.changes).toContain(`create ${INSTANCE}`);
    const first = succeeded(await stack.up());
    expect(first.outputs).toMatchObject({
      instanceId: expect.stringMatching(/^i-/),
      parameterPrefix: "/imagegen/shop-dev-images",
    });
    for (const kind of [INSTANCE, VOLUME, SUBNET, ROLE])
      for (const tags of tagsOf(kind))
        expect([kind, tags]).toEqual([kind, expect.objectContaining({ team: "pictures" })]);
    expect(tagsOf(INSTANCE)).toEqual([expect.objectContaining(own("dev"))]);
    expect(succeeded(await stack.up()).changes).toEqual([]);
    expect(fake.cloud.broken).toEqual([]);
  });

  test("the program's provider, with its tags, and its transforms reach every resource", async () => {
    const opts = [
      'import * as aws from "@pulumi/aws";',
      'const provider = new aws.Provider("main", { region: "us-east-1", defaultTags: { tags: { owner: "me" } } });',
      "const transforms = [({ type, props, opts }) =>",
      `  type === "${ROLE}" ? { props: { ...props, description: "of the shop" }, opts } : undefined];`,
      "const opts = { provider, transforms };",
    ];
    const before = fake.cloud.all(ROLE).length;
    project.program(
      "shop",
      program({ region: "us-east-1", onDestroy: "delete", imagesOnDestroy: "delete" }, opts.join("\n")),
    );
    const stack = await project.stack("given", fake.environment);
    const first = succeeded(await stack.up());
    expect(first.changes.filter((change) => change.includes("pulumi:providers:aws"))).toEqual([]);
    const roles = fake.cloud.all(ROLE).slice(before);
    expect(roles.length).toBeGreaterThan(0);
    for (const { props } of roles) {
      expect(props.description).toBe("of the shop");
      expect(record(props.tagsAll ?? props.tags)).toMatchObject(own("given"));
    }
    expect(succeeded(await stack.up()).changes).toEqual([]);
    expect(fake.cloud.broken).toEqual([]);
    succeeded(await stack.destroy());
  });

  test.skipIf(missingYaml !== undefined)("a YAML program deploys the same component", async () => {
    const properties = {
      region: "us-east-1",
      tags: { team: "yaml" },
      onDestroy: "delete",
      imagesOnDestroy: "delete",
    };
    const resources = { images: { type: "imagegen:AwsImageGen", properties } };
    // biome-ignore lint/suspicious/noTemplateCurlyInString: YAML's own form of a reference.
    const outputs = { instanceId: "${images.instanceId}" };
    // JSON is YAML.
    project.write("Pulumi.yaml", JSON.stringify({ name: "yaml", runtime: "yaml", resources, outputs }));
    await project.run("pulumi", "package", "add", "./node_modules/picture-perfect-challenge/plugin");
    const stack = await project.stack("yaml", fake.environment);
    expect(succeeded(await stack.preview()).changes).toContain(`create ${INSTANCE}`);
    const first = succeeded(await stack.up());
    expect(first.outputs).toEqual({ instanceId: expect.stringMatching(/^i-/) });
    const made = tagsOf(INSTANCE).filter(({ team }) => team === "yaml");
    expect(made).toEqual([
      expect.objectContaining({
        "imagegen:stack": "yaml-yaml-images",
        "imagegen:project": "Picture-Perfect-Challenge",
      }),
    ]);
    expect(succeeded(await stack.up()).changes).toEqual([]);
    expect(fake.cloud.broken).toEqual([]);
    succeeded(await stack.destroy());
    expect(tagsOf(INSTANCE).filter(({ team }) => team === "yaml")).toEqual([]);
  });

  describe("a fleet", () => {
    const fleetProgram = (args: object, more: readonly string[] = [], after = "") =>
      [
        'import { AwsImageGenFleet } from "picture-perfect-challenge";',
        ...more,
        `const fleet = new AwsImageGenFleet("fleet", ${JSON.stringify(args)}${more.length === 0 ? "" : ", opts"});`,
        "export const { url, queueUrl, jobStore, spotGroup, clientPolicy, parameterPrefix, gatewayService } = fleet;",
        after,
      ].join("\n");
    const nothingStays = { resultsOnDestroy: "delete", imagesOnDestroy: "delete" };
    const { gatewayCount, ...gateway } = GATEWAY;

    test("three lines are deployed with tags and a region, without a host; a second update has nothing to change", async () => {
      project.program("shop", fleetProgram({ region: "us-east-1", tags: { team: "batch" }, ...nothingStays }));
      const stack = await project.stack("fleet", fake.environment);
      const preview = succeeded(await stack.preview());
      expect(preview.changes).toContain(`create ${GROUP}`);
      const before = tagsOf(INSTANCE).length;
      const first = succeeded(await stack.up());
      expect(first.outputs).toMatchObject({
        queueUrl: expect.stringMatching(/^https:\/\/sqs\..*\/fleet-jobs-/),
        jobStore: expect.stringMatching(/^s3:\/\/fleet-results-[^/]+\/fleet$/),
        spotGroup: expect.stringMatching(/^fleet-spot-/),
        parameterPrefix: "/imagegen/shop-fleet-fleet",
      });
      expect(JSON.parse(String(first.outputs.clientPolicy))).toMatchObject({ Version: "2012-10-17" });
      const own = { team: "batch", "imagegen:stack": "shop-fleet-fleet" };
      for (const kind of [QUEUE, BUCKET]) expect(tagsOf(kind)).toContainEqual(expect.objectContaining(own));
      expect(tagsOf(INSTANCE)).toHaveLength(before);
      expect(succeeded(await stack.up()).changes).toEqual([]);

      // A policy starts a host, which is none of the program's.
      fake.want(String(first.outputs.spotGroup), 1);
      expect(tagsOf(INSTANCE)).toHaveLength(before + 1);
      expect(succeeded(await stack.up({ refresh: true })).changes).toEqual([]);
      expect(fake.cloud.broken).toEqual([]);
      const gone = succeeded(await stack.destroy());
      expect(gone.changes).toContain(`delete ${GROUP}`);
      expect(tagsOf(QUEUE)).toEqual([]);
    });

    test("the program's provider, with its tags, and its transforms reach every resource, the gateway's too", async () => {
      const opts = [
        'import * as aws from "@pulumi/aws";',
        'const provider = new aws.Provider("main", { region: "us-east-1", defaultTags: { tags: { owner: "me" } } });',
        "const transforms = [({ type, props, opts }) =>",
        `  type === "${ROLE}" ? { props: { ...props, description: "of the shop" }, opts } : undefined];`,
        "const opts = { provider, transforms };",
      ];
      const args = { region: "us-east-1", ...nothingStays, gatewayCount: Number(gatewayCount), ...gateway };
      const before = fake.cloud.all(ROLE).length;
      const after = 'new aws.cloudwatch.LogGroup("after", {}, { provider, dependsOn: fleet });';
      project.program("shop", fleetProgram(args, opts, after));
      const stack = await project.stack("gateway", fake.environment);
      const mark = fake.cloud.calls.length;
      const first = succeeded(await stack.up());
      const order = fake.cloud.calls.slice(mark).map(({ api }) => api);
      // What depends on the component waits for what it makes after its look-ups.
      expect(order.lastIndexOf("CreateLogGroup")).toBeGreaterThan(order.lastIndexOf("CreateService"));
      expect(order.lastIndexOf("CreateService")).toBeGreaterThan(order.indexOf("CreateAutoScalingGroup"));
      expect(first.changes.filter((change) => change.includes("pulumi:providers:aws"))).toEqual([]);
      expect(first.outputs).toMatchObject({
        url: expect.stringMatching(/^https:/),
        gatewayService: expect.stringMatching(/^fleet-gateway-/),
      });
      const roles = fake.cloud.all(ROLE).slice(before);
      expect(roles).toHaveLength(5);
      for (const { props } of roles) expect(props.description).toBe("of the shop");
      for (const kind of [SERVICE, TASK, QUEUE])
        for (const { props } of fake.cloud.all(kind))
          expect(record(props.tags)).toMatchObject({ owner: "me", "imagegen:stack": "shop-gateway-fleet" });
      expect(succeeded(await stack.up()).changes).toEqual([]);
      expect(fake.cloud.broken).toEqual([]);
      succeeded(await stack.destroy());
    });

    test.skipIf(missingYaml !== undefined)("a YAML program deploys it", async () => {
      const properties = { region: "us-east-1", tags: { team: "yaml" }, ...nothingStays };
      const resources = { fleet: { type: "imagegen:AwsImageGenFleet", properties } };
      // biome-ignore lint/suspicious/noTemplateCurlyInString: YAML's own form of a reference.
      const outputs = { queueUrl: "${fleet.queueUrl}", url: "${fleet.url}" };
      project.write("Pulumi.yaml", JSON.stringify({ name: "yaml", runtime: "yaml", resources, outputs }));
      await project.run("pulumi", "package", "add", "./node_modules/picture-perfect-challenge/plugin");
      const stack = await project.stack("yaml-fleet", fake.environment);
      expect(succeeded(await stack.preview()).changes).toContain(`create ${GROUP}`);
      const first = succeeded(await stack.up());
      expect(first.outputs).toMatchObject({ queueUrl: expect.stringMatching(/\/fleet-jobs-/) });
      expect(tagsOf(QUEUE)).toEqual([0, 1].map(() => expect.objectContaining({ team: "yaml" })));
      expect(succeeded(await stack.up()).changes).toEqual([]);
      expect(fake.cloud.broken).toEqual([]);
      succeeded(await stack.destroy());
    });

    test("mistakes are reported in the words of the program, also those that AWS is asked for", async () => {
      project.program("shop", fleetProgram({ region: "us-east-1", minHosts: 9, port: 8001 }));
      const stack = await project.stack("wrong-fleet", fake.environment);
      const text = failed(await stack.preview());
      expect(text).toContain("fleet: port: expected ");
      expect(text).toContain("Fix: remove port");
      project.program("shop", fleetProgram({ region: "us-east-1", instanceTypes: ["g6.48xlarge"] }));
      const refused = failed(await stack.preview());
      expect(refused).toMatch(/fleet: instanceTypes: expected .+ Fix: /);
      expect(refused).not.toContain(`create ${QUEUE}`);
    });
  });

  test("mistakes are reported in the words of the program", async () => {
    project.program("shop", program({ instanceTypes: ["t3.micro"], purchaseOption: "cheap" }));
    const stack = await project.stack("wrong", fake.environment);
    const text = failed(await stack.preview());
    expect(text).toContain('images: purchaseOption: expected on-demand, spot or spot-then-on-demand, got "cheap"');
    expect(text).toContain(
      'images: region: expected a region such as us-east-1, got nothing. Fix: region: "us-east-1"',
    );
  });

  test("the example baked-air-gapped is previewed and deployed", async () => {
    project.example("baked-air-gapped");
    const stack = await project.stack("baked", fake.environment);
    succeeded(await stack.preview());
    succeeded(await stack.up());
    expect(fake.cloud.broken).toEqual([]);
  });

  test("the example fleet-with-gateway is previewed and deployed", async () => {
    project.example("fleet-with-gateway");
    const stack = await project.stack("example-fleet", fake.environment);
    const { certificateArn, apiKeySecretArn } = GATEWAY;
    for (const [key, value] of Object.entries({ certificateArn, apiKeySecretArn }))
      stack.write({ [`fleet-with-gateway:${key}`]: value });
    succeeded(await stack.preview());
    expect(succeeded(await stack.up()).outputs).toMatchObject({ url: expect.stringMatching(/^https:/) });
    expect(fake.cloud.broken).toEqual([]);
  });

  test("the example spot-with-fallback is on demand after the argument that a failed update names", async () => {
    project.example("spot-with-fallback");
    const stack = await project.stack("spot", fake.environment);
    succeeded(await stack.preview());
    const { knobs } = fake.cloud;
    fake.cloud.knobs = { ...knobs, noCapacity: ({ market }) => market === "spot" };
    expect(failed(await stack.up())).toContain('images: pinnedPurchaseOption: "on-demand", then pulumi up');
    stack.write({ "spot-with-fallback:pinnedPurchaseOption": "on-demand" });
    succeeded(await stack.up());
    fake.cloud.knobs = knobs;
    expect(fake.cloud.broken).toEqual([]);
  });

  test("the example existing-vpc is deployed into a subnet that another stack made", async () => {
    if (fake.cloud.all(SUBNET).length === 0) {
      project.program("shop", program({ region: "us-east-1" }));
      succeeded(await (await project.stack("network", fake.environment)).up());
    }
    const subnetId = fake.cloud.all(SUBNET)[0]?.id ?? "";
    project.example("existing-vpc");
    const stack = await project.stack("existing-vpc", fake.environment);
    stack.write({ "existing-vpc:subnetId": subnetId });
    succeeded(await stack.preview());
    const before = fake.cloud.all(SUBNET).length;
    succeeded(await stack.up());
    expect(fake.cloud.all(SUBNET).length).toBe(before);
    expect(fake.cloud.all(INSTANCE).at(-1)?.props.subnetId).toBe(subnetId);
    expect(fake.cloud.broken).toEqual([]);
  });
});
