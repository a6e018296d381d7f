import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { parseSettings } from "../../../../infra/config/parse.ts";
import { wordForPulumi } from "../../../../infra/config/problem.ts";
import { ALL_KEYS, RENAMED_KEYS } from "../../../../infra/config/schema.ts";
import { OPTION_NAMES } from "../../../../infra/config/service-keys.ts";
import { SERVICE_DEFAULTS } from "../../../support/settings.ts";

const PINNED = `registry.example:5000/python:3.12@sha256:${"0".repeat(64)}`;

function problemsOf(raw: Record<string, string>): readonly string[] {
  const parsed = parseSettings(raw);
  return "problems" in parsed ? parsed.problems.map(wordForPulumi) : [];
}

function settingOf(key: string, value: string): unknown {
  const parsed = parseSettings({ [key]: value });
  if ("problems" in parsed) throw new Error(parsed.problems.map(wordForPulumi).join("\n"));
  return (parsed.settings as unknown as Record<string, unknown>)[key];
}

test("a stack without config has the guide's names", () => {
  expect(parseSettings({})).toEqual({
    settings: {
      target: "local",
      modelId: "stabilityai/stable-diffusion-xl-base-1.0",
      modelRevision: null,
      vaeId: null,
      modelCache: "volume",
      port: 8000,
      bindAddress: "127.0.0.1",
      baseImage: "python:3.12.12-slim-bookworm",
      buildNetwork: "default",
      ...SERVICE_DEFAULTS,
      allowUnauthenticated: false,
      modelDir: null,
      hostCache: null,
      containerUser: "10001:10001",
      torchIndex: null,
      workers: 0,
      emulatorImage: "motoserver/moto:5.2.5",
      hasToken: false,
      containerName: "image-game-image-gen",
      volumeName: "Picture-Perfect-Challenge_image_data",
      imageName: "image-gen",
      onDestroy: "retain",
      readyTimeoutSeconds: null,
      memoryMb: null,
    },
  });
});

describe("accepts", () => {
  test.each([
    ["modelId", "demo", "demo"],
    ["modelId", "runwayml/stable-diffusion-v1-5", "runwayml/stable-diffusion-v1-5"],
    ["modelId", " https://huggingface.co/org/name/tree/main ", "org/name"],
    ["modelId", "'hf.co/org/name/'", "org/name"],
    ["modelId", "hf://org/name", "org/name"],
    ["modelId", "git@hf.co:org/name.git", "org/name"],
    ["modelId", "www.huggingface.co/org/name?library=diffusers", "org/name"],
    ["modelId", "org/name/x.safetensors", "org/name/x.safetensors"],
    ["modelId", "https://huggingface.co/org/name/blob/main/a/x.safetensors?download=true", "org/name/a/x.safetensors"],
    ["modelId", "https://huggingface.co/org/name/blob/main/a%2Bb/x%C3%A9.safetensors", "org/name/a+b/xé.safetensors"],
    ["modelId", "hf.co/org/name/blob/main/unet/diffusion_pytorch_model.safetensors", "org/name"],
    ...[
      "a=org/x..y/z.safetensors , b=/data/my loras/../b=1.safetensors",
      `${"a".repeat(64)}=https://hf.co/org/x/blob/main/y.safetensors`,
    ].map((list): [string, string, string] => ["loras", list, list]),
    ["vaeId", "https://huggingface.co/org/vae/blob/main/config.json", "org/vae"],
    ["modelRevision", "refs/pr/3", "refs/pr/3"],
    ["vaeId", "madebyollin/sdxl-vae-fp16-fix", "madebyollin/sdxl-vae-fp16-fix"],
    ["port", "65535", 65_535],
    ["port", " 8001 ", 8001],
    ["bindAddress", "127.0.0.9", "127.0.0.9"],
    ["bindAddress", "::1", "::1"],
    ["gpu", "0,2", "0,2"],
    ["gpu", "GPU-3a23c669-1f69-c64e-cf85-44e9b07e7a2a", "GPU-3a23c669-1f69-c64e-cf85-44e9b07e7a2a"],
    ["gpu", "count=2", "count=2"],
    ["volumeName", "/srv/models/", "/srv/models"],
    ["hostCache", "/home/anna/.cache/huggingface", "/home/anna/.cache/huggingface"],
    ["torchIndex", "cpu", "cpu"],
    ["workers", "2", 2],
    ["torchIndex", "https://index.example/cpu/", "https://index.example/cpu"],
    ["modelDir", "/home/anna/models/fox/", "/home/anna/models/fox"],
    ["modelDir", "/srv//models/./fox/.", "/srv/models/fox"],
    ["httpsProxy", "http://proxy.corp:3128", "http://proxy.corp:3128"],
    ["modelMirror", "s3://models/sdxl/", "s3://models/sdxl"],
    ["modelMirror", "file:///srv/models", "/srv/models"],
    ["baseImage", PINNED, PINNED],
    ["hubEndpoint", "http://127.0.0.1:9000/", "http://127.0.0.1:9000"],
    ["memoryMb", "0", null],
    ["memoryMb", "8192", 8192],
    ["readyTimeoutSeconds", "30", 30],
  ])("%s = %j", (key, value, expected) => {
    expect(settingOf(key, value)).toBe(expected);
  });
});

describe("refuses", () => {
  const fix = "Fix: pulumi config set";
  test.each([
    ["target", "gcp", `expected local, aws, fleet or ci, got "gcp". ${fix} target local`],
    ["target", "", `expected local, aws, fleet or ci, got "". ${fix} target local`],
    [
      "modelId",
      "sdxl",
      `expected a model on the hub as <organisation>/<name>, with /<file>.safetensors for a checkpoint in it, or demo, got "sdxl". ${fix} modelId stabilityai/stable-diffusion-xl-base-1.0`,
    ],
    [
      "modelId",
      "org/name@v2",
      `expected org/name, with the revision v2 in the key modelRevision, got "org/name@v2". ${fix} modelId org/name`,
    ],
    ["modelId", "https://huggingface.co/org/name/tree/fp16", undefined],
    ["modelId", "https://huggingface.co/datasets/org/name", undefined],
    ["modelId", "/srv/models/sdxl", undefined],
    ["modelId", "a/b/c", undefined],
    ["modelId", "a/b/c.ckpt", undefined],
    ["modelId", "a/b/../c.safetensors", undefined],
    ["modelId", "org/name@v2/x.safetensors", undefined],
    [
      "modelId",
      "https://huggingface.co/org/name/tree/refs%2Fpr%2F3",
      `expected org/name, with the revision refs/pr/3 in the key modelRevision, got "https://huggingface.co/org/name/tree/refs%2Fpr%2F3". ${fix} modelId org/name`,
    ],
    ["modelId", "hf.co/org/name/blob/main/%2e%2e/x.safetensors", undefined],
    ["modelId", "hf.co/org/name/blob/main/a%00.safetensors", undefined],
    ...["my%20photos", "my photos", "a%3Fb", "a%2520b"].map((name): [string, string, string] => [
      "modelId",
      `org/name/${name}.safetensors`,
      `expected a checkpoint without spaces, ?, # and % in its name (download it, and set the key modelDir), got "org/name/${name}.safetensors". ${fix} modelId stabilityai/stable-diffusion-xl-base-1.0`,
    ]),
    ["loras", `${"a".repeat(65)}=org/x`, undefined],
    ["loras", "a=org/../y", undefined],
    ["loras", "a=org/x@main/../z.safetensors", undefined],
    ["loras", "a=./x", undefined],
    ["loras", "a=org/x,,b=org/y", undefined],
    [
      "loras",
      "a=org/x, b=org/z,a=/data/y.safetensors",
      `expected each name once (a stands twice), or nothing, got "a=org/x, b=org/z,a=/data/y.safetensors". ${fix} loras sketch=org/sketch-lora@0123456789abcdef0123456789abcdef01234567`,
    ],
    ["vaeId", "org/name/x.safetensors", undefined],
    ["modelId", "../etc", undefined],
    ["modelRevision", "a b", undefined],
    ["vaeId", "fix", undefined],
    ["modelCache", "disk", `expected volume or baked, got "disk". ${fix} modelCache volume`],
    ["port", "0", `expected a whole number from 1 to 65535, got "0". ${fix} port 8000`],
    ["port", "65536", undefined],
    ["port", "80.5", undefined],
    ["port", "eight", undefined],
    ["bindAddress", "localhost", `expected an IP address, got "localhost". ${fix} bindAddress 127.0.0.1`],
    ["bindAddress", "300.0.0.1", undefined],
    ["bindAddress", "1.2.3", undefined],
    ["baseImage", "python 3", undefined],
    ["buildNetwork", "none", `expected default or host, got "none". ${fix} buildNetwork default`],
    ["gpu", "yes", `expected auto, all, none, device ids such as 0 or 0,2, or count=2, got "yes". ${fix} gpu auto`],
    ["gpu", "count=0", undefined],
    ["gpu", "0,,2", undefined],
    ["hostCache", "~/.cache/huggingface", undefined],
    ["modelDir", "models/fox.safetensors", undefined],
    ["modelDir", "/", undefined],
    ["modelDir", "/srv/..", undefined],
    ["containerUser", "anna", undefined],
    [
      "torchIndex",
      "cuda",
      `expected cpu, or an http:// or https:// address without credentials, or nothing, got "cuda". ${fix} torchIndex cpu`,
    ],
    ["torchIndex", "https://me:secret@index.example/cpu", undefined],
    ["caFile", "ca.pem", undefined],
    ["modelMirror", "https://mirror.example", undefined],
    ["warmupSize", "5000", undefined],
    ["hubEndpoint", "huggingface.co", undefined],
    ["hubEndpoint", "https://hub.example/?a=b", undefined],
    ["httpsProxy", "proxy.corp", undefined],
    ["containerName", "-x", undefined],
    ["volumeName", "../models", undefined],
    ["volumeName", "/", undefined],
    ["imageName", "Image", undefined],
    ["onDestroy", "keep", `expected retain or delete, got "keep". ${fix} onDestroy retain`],
    ["readyTimeoutSeconds", "-1", undefined],
    ["memoryMb", "100", `expected a whole number from 512 to 4194304, or 0, got "100". ${fix} memoryMb 16384`],
  ])("%s = %j", (key, value, expected) => {
    const problems = problemsOf({ [key]: value });
    expect(problems).toHaveLength(1);
    expect(problems[0]).toMatch(
      new RegExp(`^Picture-Perfect-Challenge:${key}: expected .+ Fix: pulumi config set ${key} `),
    );
    if (expected) expect(problems[0]).toBe(`Picture-Perfect-Challenge:${key}: ${expected}`);
  });
});

test("an unknown key is a problem, with the key that was probably meant", () => {
  expect(problemsOf({ modelID: "demo" })).toEqual([
    "Picture-Perfect-Challenge:modelID: expected modelId, got an unknown key. Fix: pulumi config rm modelID",
  ]);
  expect(problemsOf({ colour: "red" })[0]).toContain("expected one of target, modelId,");
});

test.each([
  [{ cacheOnDestroy: "delete" }, "onDestroy", "pulumi config rm cacheOnDestroy && pulumi config set onDestroy delete"],
  [
    { target: "aws", capacity: "on-demand" },
    "purchaseOption",
    "pulumi config rm capacity && pulumi config set purchaseOption on-demand",
  ],
  [
    { target: "aws", market: "" },
    "pinnedPurchaseOption",
    'pulumi config rm market && pulumi config set pinnedPurchaseOption ""',
  ],
  [
    { target: "aws", instanceType: "g5.xlarge" },
    "pinnedInstanceType",
    "pulumi config rm instanceType && pulumi config set pinnedInstanceType g5.xlarge",
  ],
])("%j has a new name, %s, in its place", (raw: Record<string, string>, name, fix) => {
  const parsed = parseSettings(raw, { region: "us-east-1" });
  const old = Object.keys(raw).at(-1);
  expect("problems" in parsed && parsed.problems.map(wordForPulumi)).toEqual([
    `Picture-Perfect-Challenge:${old}: expected its new name ${name}, got the old one. Fix: ${fix}`,
  ]);
});

test("no key has the old name of another", () => {
  const names = Object.keys(ALL_KEYS);
  expect(Object.keys(RENAMED_KEYS).filter((key) => names.includes(key))).toEqual([]);
  expect(Object.values(RENAMED_KEYS).filter((key) => !names.includes(key))).toEqual([]);
});

test("all problems come together", () => {
  const problems = problemsOf({ port: "x", gpu: "x", modelCache: "x", nonsense: "x" });
  expect(problems.map((line) => line.split(":")[1])).toEqual(["nonsense", "modelCache", "port", "gpu"]);
});

test.each([
  ["hfToken", "hf_value"],
  ["apiKey", "hf_value"],
  ["httpProxy", "http://anna:hf_value@proxy:3128"],
  ["httpsProxy", "http://anna:hf_value@proxy:3128"],
  ["hubEndpoint", "https://anna:hf_value@hub.example/path"],
  ["hubEndpoint", "https://hf_value@hub.example"],
  ["environment", '{"AWS_SECRET_ACCESS_KEY":"hf_value"}'],
  ["environment", "AWS_ENDPOINT_URL=http://anna:hf_value@host"],
])("%s is noticed as a secret, never shown, and refused as plain text", (key, value) => {
  const parsed = parseSettings({ [key]: value }, { secretKeys: [key] });
  expect(parsed).toMatchObject({ settings: { secretKeys: [key], hasToken: key === "hfToken" } });
  expect(JSON.stringify(parsed)).not.toContain("hf_value");
  // A reader who can't decrypt it knows as much.
  expect(parseSettings({}, { secretKeys: [key] })).toEqual(parsed);
  expect(problemsOf({ [key]: value })).toEqual([
    `Picture-Perfect-Challenge:${key}: expected a secret, got plain text. Fix: pulumi config set --secret ${key}`,
  ]);
});

/** A password in an address is in no message, whichever key was given it. */
test.each(
  Object.keys(ALL_KEYS).flatMap((key) =>
    ["ftp://anna:geheim123@h", "https://anna:ge/heim123@h o", "s3://anna:geheim123@b"].map((value) => [key, value]),
  ),
)("%s = %s shows no password", (key, value) => {
  for (const target of ["local", "aws"]) {
    const problems = problemsOf({ target, [key as string]: value as string });
    if (target === "aws" || !["noProxy"].includes(key as string)) expect(problems.length).toBeGreaterThan(0);
    expect(problems.join()).not.toContain("heim123");
  }
});

test("a service that runs with such an address in plain text is found", () => {
  const raw = { environment: "AWS_ENDPOINT_URL=http://anna:pw@host" };
  expect(parseSettings(raw, { rules: false })).toMatchObject({ settings: { secretKeys: [] } });
});

test("an empty secret is none, and what needs to be no secret may be one", () => {
  expect(parseSettings({ apiKey: "" }, { secretKeys: ["apiKey"] })).toEqual(parseSettings({}));
  const proxy = { httpProxy: "http://proxy:3128" };
  expect(parseSettings(proxy, { secretKeys: ["httpProxy"] })).toMatchObject({
    settings: { httpProxy: null, secretKeys: ["httpProxy"] },
  });
});

describe("an address that others reach", () => {
  const open = { bindAddress: "0.0.0.0" };
  test("is refused without a key", () => {
    expect(problemsOf(open)).toEqual([
      "Picture-Perfect-Challenge:bindAddress: expected an address of this machine alone, such as 127.0.0.1, as there is no " +
        "apiKey: others could use the service, got 0.0.0.0. Fix: pulumi config set --secret apiKey, or pulumi config set allowUnauthenticated true",
    ]);
  });
  test.each([
    [{ allowUnauthenticated: "true" }, []],
    [{}, ["apiKey"]],
  ])("is accepted with %j and secrets %j", (raw, secretKeys) => {
    expect(parseSettings({ ...open, ...raw }, { secretKeys })).toMatchObject({ settings: open });
  });
  test("of what runs already is no mistake", () => {
    expect(parseSettings(open, { rules: false })).toMatchObject({ settings: open });
  });
});

test("LoRAs are refused with compiled blocks, and taken without", () => {
  const lora = `sketch=org/sketch@${"0123456789".repeat(4)},mine=/data/loras/mine.safetensors`;
  expect(problemsOf({ compile: "true", loras: lora })).toEqual([
    `Picture-Perfect-Challenge:loras: expected none with compile: compiled blocks take no LoRAs, got ${lora}. ` +
      "Fix: pulumi config set compile false",
  ]);
  for (const wrong of ["sketch", "=org/sketch", "sketch=name", "a b=org/sketch"])
    expect(problemsOf({ loras: wrong })).toHaveLength(1);
});

describe("another user of the container", () => {
  const user = { containerUser: "1000:1000" };
  test("is refused with a Docker volume, which belongs to the image's", () => {
    expect(problemsOf({ ...user, volumeName: "models" })).toEqual([
      "Picture-Perfect-Challenge:volumeName: expected a folder that user 1000:1000 can write to, as a Docker volume belongs to " +
        "10001:10001, got models. Fix: pulumi config set volumeName <the path of a folder>",
    ]);
  });
  test("is accepted with a folder", () => {
    const folder = { ...user, volumeName: "/srv/models" };
    expect(parseSettings(folder)).toMatchObject({ settings: folder });
  });
});

describe("a model of the user's own", () => {
  const P = "Picture-Perfect-Challenge:";
  test("is refused with another one in the image, or by another name", () => {
    expect(problemsOf({ modelDir: "/srv/fox", modelCache: "baked" })).toEqual([
      `${P}modelDir: expected no modelDir with modelCache=baked: the model in the image would not be served, got /srv/fox. ` +
        "Fix: pulumi config rm modelDir",
    ]);
    expect(problemsOf({ modelDir: "/srv/fox", environment: "MODEL_DIR=/data/fox" })).toEqual([
      `${P}environment: expected no MODEL_DIR, which the key modelDir sets, got MODEL_DIR. Fix: pulumi config rm modelDir`,
    ]);
  });
});

describe("environment", () => {
  test.each([
    ["IMAGE_GEN_DEVICE=cpu,MODEL_DIR=/data/a", { IMAGE_GEN_DEVICE: "cpu", MODEL_DIR: "/data/a" }],
    ['{"A":"b,c","N":1}', { A: "b,c", N: "1" }],
  ])("%s", (text, expected) => {
    expect(settingOf("environment", text)).toEqual(expected);
  });
  test.each([
    ["HF_HOME=/x", "no HF_HOME: the volume is mounted there, got HF_HOME. Fix: pulumi config rm environment"],
    [
      "IMAGE_GEN_COMPILE=1",
      "no IMAGE_GEN_COMPILE, which the key compile sets, got IMAGE_GEN_COMPILE. Fix: pulumi config set compile false",
    ],
    [
      "https_proxy=x",
      "no https_proxy, which the key httpsProxy sets, got https_proxy. Fix: pulumi config set --secret httpsProxy",
    ],
    ["FOO", "pulumi config set --secret environment, or pulumi config set environment IMAGE_GEN_DEVICE=cpu"],
    ["=x", "variables as NAME=value,NAME=value or as JSON"],
  ])("refuses %s", (text, expected) => {
    expect(problemsOf({ environment: text })[0]).toContain(expected);
  });
});

test("a wrong token is never shown", () => {
  const [problem] = problemsOf({ hfToken: "hf value" });
  expect(problem).toContain("got another (not shown). Fix: pulumi config set --secret hfToken");
  expect(problem).not.toContain("hf value");
});

test("engineOptions has the names that the service knows", () => {
  const source = readFileSync("image-gen/src/image_gen/engine_options.py", "utf8");
  const [, names = ""] = /ENGINE_OPTIONS: Final = \(([^)]*)\)/.exec(source) ?? [];
  expect(names.split(", ")).toEqual(OPTION_NAMES.map((name) => `"${name}"`));
});
