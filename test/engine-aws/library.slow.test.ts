/** The package's AWS component in a project of somebody else's, and the examples, on the fake of AWS. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { AwsProviderFake } from "../../aws-fake/index.ts";
import { record } from "../../aws-fake/kind.ts";
import { onPath } from "../../cli/core/on-path.ts";
import { failed, succeeded } from "../support/engine-stack.ts";
import { missingForAws } from "../support/fakes/aws-provider/needs.ts";
import { LibraryProject } from "../support/library-project.ts";

const missing = await missingForAws();
if (missing) console.warn(`LEFT OUT: the package's AWS component in another project: ${missing}`);

const missingYaml = onPath("pulumi-language-yaml") ? undefined : "`pulumi-language-yaml` is not on PATH.";
if (missingYaml) console.warn(`LEFT OUT: the package's AWS component in a YAML program: ${missingYaml}`);

const INSTANCE = "aws:ec2/instance:Instance";
const VOLUME = "aws:ebs/volume:Volume";
const SUBNET = "aws:ec2/subnet:Subnet";
const ROLE = "aws:iam/role:Role";

describe.skipIf(missing !== undefined)("the package's AWS component in another project", () => {
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
