/** The package's components and its examples, on mocks: what they make of their arguments. */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import * as aws from "@pulumi/aws";
import * as pulumi from "@pulumi/pulumi";
import { describe, expect, test, vi } from "vitest";
import { explainContainerError } from "../../infra/io/container-error.ts";
import { componentFixes } from "../../infra/library/fixes.ts";
import {
  AwsImageGen,
  AwsImageGenFleet,
  type AwsImageGenFleetArgs,
  LocalImageGen,
  type LocalImageGenArgs,
} from "../../infra/library/index.ts";
import { addTags, TAGGED_TYPES } from "../../infra/library/tags.ts";
import { readTree } from "../../scripts/structure/source.ts";
import { GATEWAY } from "../support/fleet-settings.ts";
import { known } from "../support/outputs.ts";
import { paths } from "../support/paths.ts";
import { type RunOptions, runProgram, theOnly } from "../support/program.ts";

const CONTAINER = "docker:index/container:Container";
const IMAGE = "docker:index/remoteImage:RemoteImage";
const INSTANCE = "aws:ec2/instance:Instance";
const GROUP = "aws:autoscaling/group:Group";
const PROVIDER = "pulumi:providers:aws";
const ANSWERS = {
  "aws:index/getAvailabilityZones:getAvailabilityZones": { names: ["us-east-1a", "us-east-1b"] },
  "aws:ec2/getInstanceTypeOfferings:getInstanceTypeOfferings": {
    instanceTypes: ["g6.xlarge"],
    locations: ["us-east-1a"],
  },
  "aws:ssm/getParameter:getParameter": { value: "ami-0123456789abcdef0" },
  "aws:ec2/getSubnet:getSubnet": {
    id: "subnet-0123456789abcdef0",
    vpcId: "vpc-0123456789abcdef0",
    availabilityZone: "us-east-1a",
  },
  "aws:ecr/getAuthorizationToken:getAuthorizationToken": { userName: "AWS", password: "of twelve hours" },
};
const preview = async <T>(program: () => T | Promise<T>, options: RunOptions = {}) =>
  runProgram(program, { preview: true, answers: ANSWERS, ...options });
const local = async (args: LocalImageGenArgs, options: RunOptions = {}) =>
  preview(() => new LocalImageGen("images", args, {}), options);

describe("LocalImageGen", () => {
  test("makes an image, a volume and a container below itself, of the arguments' values", async () => {
    const { resources } = await local({ port: 8001, environment: { A: "b" }, offline: true, modelId: "org/model" });
    const container = theOnly(resources, CONTAINER);
    expect(container.options.parent).toBe("imagegen:index:LocalImageGen$imagegen:host:DockerHost::images");
    expect(container.inputs.ports).toEqual([expect.objectContaining({ external: 8001 })]);
    expect(container.inputs.envs).toEqual(expect.arrayContaining(["A=b", "MODEL_ID=org/model", "HF_HUB_OFFLINE=1"]));
    expect(theOnly(resources, "imagegen:host:DockerHost").options.parent).toBe("imagegen:index:LocalImageGen::images");
    expect(theOnly(resources, "docker:index/volume:Volume").name).toBe("images-volume");
  });

  test("builds the package's own sources, or those that it is given", async () => {
    const own = theOnly((await local({})).resources, IMAGE).inputs.build as Record<string, unknown>;
    expect([own.context, own.dockerfile]).toEqual(["image-gen", undefined]);
    const args = { buildContext: "test/support/stub-service", dockerfile: "examples/own-dockerfile/Dockerfile" };
    const other = theOnly((await local(args)).resources, IMAGE).inputs.build as Record<string, unknown>;
    expect([other.context, other.dockerfile]).toEqual([args.buildContext, `../../../${args.dockerfile}`]);
  });

  test("waits for an output among its arguments; one that is not known makes nothing, and a warning says so", async () => {
    const { resources } = await local({ port: pulumi.output(8002) });
    expect(theOnly(resources, CONTAINER).inputs.ports).toEqual([expect.objectContaining({ external: 8002 })]);

    const warn = vi.spyOn(pulumi.log, "warn").mockResolvedValue();
    const unknown = await preview(() => {
      const other = new aws.ec2.Vpc("other", {});
      return new LocalImageGen("images", { containerName: other.id });
    });
    expect(unknown.resources.filter(({ type }) => type === CONTAINER)).toEqual([]);
    expect(warn.mock.calls.map(([text]) => text)).toEqual([expect.stringContaining("not shown: containerName")]);
    warn.mockRestore();
  });

  test("keeps a secret one, given as text or as an output, and refuses a password in a plain address", async () => {
    for (const apiKey of ["sesame", pulumi.secret("sesame"), pulumi.output("sesame")]) {
      const { resources } = await local({ apiKey });
      expect(theOnly(resources, CONTAINER).inputs.envs).toEqual({
        secret: expect.arrayContaining(["IMAGE_GEN_API_KEY=sesame"]),
      });
    }
    await expect(local({ httpsProxy: "http://me:word@proxy.example:3128" })).rejects.toThrow(
      /^images: httpsProxy: expected a secret, got plain text\. Fix: httpsProxy: new pulumi\.Config\(\)\.requireSecret\("httpsProxy"\)$/,
    );
  });

  test("names arguments where its container can't be made", async () => {
    const error = vi.spyOn(pulumi.log, "error").mockResolvedValue();
    const fixes = componentFixes({ name: "images", stack: "a", region: "", serviceCommand: "image-gen" });
    const place = {
      containerName: "not-there-of-a-test",
      port: { external: 8000, internal: 8000, bindAddress: "::1" },
    };
    const said: unknown[] = [];
    await preview(async () => {
      const { callback } = explainContainerError(place, fixes, "images");
      for (const text of ["port is already allocated", "container name x is already in use"]) {
        await callback({ errors: [text] } as unknown as Parameters<typeof callback>[0]);
        said.push(error.mock.lastCall?.[0]);
      }
    });
    expect(said).toEqual([
      "Port 8000 of ::1 is taken. Fix: images: port: 8001",
      expect.stringMatching(
        /second service: images: containerName: <another>, volumeName: <another>, port: <another>$/,
      ),
    ]);
    error.mockRestore();
  });

  test("refuses a Dockerfile, or a folder, that is not there", async () => {
    await expect(local({ dockerfile: "No.Dockerfile" })).rejects.toThrow(
      "images: dockerfile: expected a file, got No.Dockerfile, which is not there. Fix: dockerfile: <path of a file>",
    );
    await expect(local({ buildContext: "nowhere" })).rejects.toThrow(
      "images: buildContext: expected a folder, got nowhere",
    );
  });

  test("reports all mistakes together, in the words of a program", async () => {
    const wrong = { prot: 1, maxSize: 7, modelCache: "basked" } as unknown as LocalImageGenArgs;
    await expect(local(wrong)).rejects.toThrow(
      [
        "images: prot: expected port, got an unknown key. Fix: remove prot",
        'images: modelCache: expected volume or baked, got "basked". Fix: modelCache: "volume"',
        'images: maxSize: expected a whole number from 64 to 8192, got "7". Fix: maxSize: 1536',
      ].join("\n"),
    );
  });
});

describe("AwsImageGen", () => {
  test("has the region of its arguments or of the stack, and a provider of its own only without yours", async () => {
    const alone = await preview(() => new AwsImageGen("images", { region: "us-east-1" }));
    expect(theOnly(alone.resources, PROVIDER).inputs).toMatchObject({ region: "us-east-1" });
    expect(theOnly(alone.resources, INSTANCE).options.parent).toBe(
      "imagegen:index:AwsImageGen$imagegen:host:AwsHost::images",
    );

    const given = await preview(() => {
      const provider = new aws.Provider("main", { region: "us-east-1" });
      return new AwsImageGen("images", { region: "us-east-1" }, { provider });
    });
    expect(theOnly(given.resources, PROVIDER).name).toBe("main");
    await expect(preview(() => new AwsImageGen("images"))).rejects.toThrow(
      'images: region: expected a region such as us-east-1, got nothing. Fix: region: "us-east-1"',
    );
  });

  test("has alarms and a service whose messages name no command of a checkout", async () => {
    const { resources } = await preview(() => new AwsImageGen("images", { region: "us-east-1" }));
    const alarms = resources.filter(({ type }) => type === "aws:cloudwatch/metricAlarm:MetricAlarm");
    const texts = alarms.map(({ inputs }) => String(inputs.alarmDescription));
    expect(texts.filter((text) => text.includes(" Fix: ")).length).toBeGreaterThan(2);
    expect(texts.filter((text) => /imagegen \w/.test(text))).toEqual([]);
    expect(texts).toContain("/data is nearly full. Fix: images: volumeSizeGb: <a larger size>");
    const local = await preview(() => new LocalImageGen("images"));
    const container = theOnly(local.resources, CONTAINER).inputs;
    expect(container.envs).toContain("IMAGE_GEN_COMMAND=docker exec image-game-image-gen image-gen");
    expect(container.labels).toContainEqual({ label: "imagegen.component", value: "images" });
  });

  test("tags every type that AWS tags, and no other", () => {
    // No component is what CI needs.
    const files = readTree(["infra/aws"]).filter(({ path }) => !path.startsWith("infra/aws/ci/"));
    const made = files.flatMap(({ text }) => [...text.matchAll(/new aws\.(\w+)\.(\w+)\(/g)]);
    const types = new Set(made.map(([, module = "", name = ""]) => `${module} ${name}`));
    const tagged = [...types]
      .map((each) => each.split(" "))
      .filter(([module = "", name = ""]) => {
        const file = name.charAt(0).toLowerCase() + name.slice(1);
        const path = join(paths.root, "node_modules/@pulumi/aws", module, `${file}.d.ts`);
        expect(existsSync(path), path).toBe(true);
        const args = readFileSync(path, "utf8").split(`export interface ${name}Args`)[1] ?? "";
        return /^ {4}tags\?: /m.test(args);
      });
    const expected = tagged.map(([module = "", name = ""]) => {
      return `aws:${module}/${name.charAt(0).toLowerCase()}${name.slice(1)}:${name}`;
    });
    expect([...TAGGED_TYPES, "aws:autoscaling/group:Group"].sort()).toEqual(expected.sort());
  });

  test("leaves a resource's own tag, and tags what a group starts", async () => {
    const transform = addTags({ team: "a", Name: "no" });
    const run = async (type: string, props: object) =>
      (await transform({ type, props, custom: true, name: "n", opts: {} }))?.props;
    expect(await run("aws:ec2/vpc:Vpc", { tags: { Name: "mine" } })).toEqual({ tags: { Name: "mine", team: "a" } });
    expect(await run("aws:ec2/route:Route", {})).toBeUndefined();
    const specifications = [{ resourceType: "instance", tags: { Name: "mine" } }];
    expect(await run("aws:ec2/launchTemplate:LaunchTemplate", { tagSpecifications: specifications })).toMatchObject({
      tagSpecifications: [{ resourceType: "instance", tags: { Name: "mine", team: "a" } }],
    });
    const group = { tags: [{ key: "Name", value: "mine", propagateAtLaunch: true }] };
    expect((await run("aws:autoscaling/group:Group", group))?.tags).toEqual([
      ...group.tags,
      { key: "team", value: "a", propagateAtLaunch: true },
    ]);
  });
});

describe("AwsImageGenFleet", () => {
  const fleet = async (args: AwsImageGenFleetArgs = {}, options: RunOptions = {}) =>
    preview(() => new AwsImageGenFleet("fleet", { region: "us-east-1", ...args }), options);

  test("makes groups, queues and a bucket below itself, of the arguments' values", async () => {
    const { resources } = await fleet({ maxHosts: 8, instanceTypes: ["g6.xlarge"], rescueHosts: pulumi.output(2) });
    const groups = resources.filter(({ type }) => type === GROUP);
    expect(Object.fromEntries(groups.map(({ name, inputs }) => [name, inputs.maxSize]))).toEqual({
      "fleet-spot": 8,
      "fleet-rescue": 2,
    });
    for (const { options } of groups)
      expect(options.parent).toBe("imagegen:index:AwsImageGenFleet$imagegen:fleet:FleetHosts::fleet");
    const queues = resources.filter(({ type }) => type === "aws:sqs/queue:Queue").map(({ name }) => name);
    expect(queues.sort()).toEqual(["fleet-dead-letters", "fleet-jobs"]);
    expect(theOnly(resources, "aws:ssm/parameter:Parameter").inputs.name).toBe(
      "/imagegen/Picture-Perfect-Challenge-test-fleet/deployment",
    );
    expect(resources.filter(({ type }) => type.startsWith("aws:ecs/"))).toEqual([]);
  });

  test("has the gateway that its arguments ask for", async () => {
    const { gatewayCount, ...gateway } = GATEWAY;
    const { resources } = await fleet({ gatewayCount: Number(gatewayCount), ...gateway });
    expect(theOnly(resources, "aws:ecs/service:Service").inputs.desiredCount).toBe(2);
    expect(theOnly(resources, "aws:ecs/taskDefinition:TaskDefinition").inputs.family).toBe(
      "imagegen-Picture-Perfect-Challenge-test-fleet-gateway",
    );
  });

  test("has fields that wait for no more than they need: in a preview, what config says is known", async () => {
    const { result } = await fleet({ modelId: "org/model" });
    expect(await known(result.modelId)).toBe("org/model");
    expect(await known(result.region)).toBe("us-east-1");
    expect(await known(result.url)).toBeNull();
    expect(await known(result.parameterPrefix)).toBe("/imagegen/Picture-Perfect-Challenge-test-fleet");
  });

  test("has the region of its arguments or of the stack, and a provider of its own only without yours", async () => {
    expect(theOnly((await fleet()).resources, PROVIDER).inputs).toMatchObject({ region: "us-east-1" });
    const given = await preview(() => {
      const provider = new aws.Provider("main", { region: "us-east-1" });
      return new AwsImageGenFleet("fleet", { region: "us-east-1" }, { provider });
    });
    expect(theOnly(given.resources, PROVIDER).name).toBe("main");
    await expect(preview(() => new AwsImageGenFleet("fleet"))).rejects.toThrow(
      'fleet: region: expected a region such as us-east-1, got nothing. Fix: region: "us-east-1"',
    );
  });

  test("has alarms whose texts name no command of a checkout", async () => {
    const { resources } = await fleet();
    const alarms = resources.filter(({ type }) => type === "aws:cloudwatch/metricAlarm:MetricAlarm");
    expect(alarms.length).toBeGreaterThan(8);
    expect(alarms.filter(({ inputs }) => /imagegen \w/.test(String(inputs.alarmDescription)))).toEqual([]);
  });

  test("reports all mistakes together, in the words of a program, also of keys that no fleet reads", async () => {
    const wrong = { port: 8001, minHosts: 9, instanceTypes: ["t3.micro"] } as AwsImageGenFleetArgs;
    await expect(fleet(wrong)).rejects.toThrow(/^fleet: port: .+ Fix: remove port$/m);
    await expect(fleet({ minHosts: 9 })).rejects.toThrow(
      "fleet: maxHosts: expected at least minHosts, 9, got 4. Fix: maxHosts: 9",
    );
    await expect(fleet({ gatewayCount: 1 })).rejects.toThrow(
      /^fleet: apiKeySecretArn: expected a secret with API keys with gatewayCount 1, got nothing/m,
    );
  });

  test("two in a program have hooks and names of their own", async () => {
    const key = "arn:aws:kms:us-east-1:123456789012:key/1";
    const answers = { ...ANSWERS, "aws:index/getCallerIdentity:getCallerIdentity": { accountId: "123456789012" } };
    const { resources } = await preview(
      () => ["one", "two"].map((name) => new AwsImageGenFleet(name, { region: "us-east-1", kmsKeyArn: key })),
      { answers },
    );
    expect(resources.filter(({ type }) => type === GROUP).map(({ name }) => name)).toEqual(
      expect.arrayContaining(["one-spot", "two-spot"]),
    );
  });
});

describe("the example", () => {
  test.each([
    ["existing-vpc", INSTANCE],
    ["spot-with-fallback", INSTANCE],
    ["baked-air-gapped", INSTANCE],
    ["own-dockerfile", CONTAINER],
    ["fleet-with-gateway", "aws:ecs/service:Service"],
  ])("%s is previewed", async (name, type) => {
    vi.resetModules();
    const run = vi.fn(async () => import(join(paths.root, "examples", name, "index.ts")));
    const { certificateArn, apiKeySecretArn } = GATEWAY;
    const config = { subnetId: "subnet-0123456789abcdef0", certificateArn, apiKeySecretArn, clientRole: "shop" };
    const { resources } = await preview(run, { config });
    expect(resources.filter((each) => each.type === type)).toHaveLength(1);
  });
});
