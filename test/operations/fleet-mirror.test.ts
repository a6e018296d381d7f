/** `imagegen cache mirror` and `cache put` for a fleet, as they are typed, against S3 on loopback. */
import { appendFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { execa } from "execa";
import { describe, expect, onTestFinished, test } from "vitest";
import { useFleet } from "../support/fakes/moto/fleet-account.ts";
import { paths } from "../support/paths.ts";
import { pythonEnvironment } from "../support/python.ts";

const here = useFleet();
const imagegen = (...args: string[]) => here.operator.imagegenOf("aws-fleet", ...args);

/** A Python whose virtual environments print what they are asked to run, and with what. */
function standIn(exitCode = 0): void {
  const names = "MODEL MIRROR REVISION";
  const ownVariables = names
    .split(" ")
    .map((name) => `$IMAGEGEN_${name}`)
    .join(" ");
  const run = `echo "$* | ${ownVariables} $AWS_REGION $AWS_ACCESS_KEY_ID\${IMAGE_GEN_LORAS:+ $IMAGE_GEN_LORAS}"; exit ${exitCode}`;
  const made = `printf '%s\\n' '#!/bin/bash' 'case "$*" in *pip*) exit;; esac' '${run}' >"$3/bin/python"`;
  here.operator.program("python3", `mkdir -p "$3/bin"; ${made}; chmod +x "$3/bin/python"`);
}

describe("cache mirror", () => {
  test("downloads the stack's model on this machine and sends it to the bucket, with the operator's credentials", async () => {
    standIn();
    const { stdout, stderr, exitCode } = await imagegen("cache", "mirror", "s3://models/prefix");
    const model = "stabilityai/stable-diffusion-xl-base-1.0";
    expect(stdout).toBe(
      `-m image_gen mirror --model ${model} --output s3://models/prefix | ${model} s3://models/prefix  us-east-1 test`,
    );
    expect(exitCode).toBe(0);
    expect(stderr.split("\n").at(-1)).toBe(
      "Hosts read it after: imagegen up --config modelMirror=s3://models/prefix --stack aws-fleet",
    );
  });

  test("sends what the service has besides its model, and that alone", async () => {
    standIn();
    const loras = "pixel=org/pixel@v1,own=org/own/x.safetensors";
    const file = join(here.operator.directory, "stacks/Pulumi.aws-fleet.yaml");
    appendFileSync(file, `  Picture-Perfect-Challenge:loras: ${loras}\n`);
    onTestFinished(() => here.operator.restoreStackFile("aws-fleet"));
    const { stdout } = await imagegen("cache", "mirror", "s3://models/prefix");
    expect(stdout).toMatch(new RegExp(` \\| \\S+ s3://models/prefix  us-east-1 test ${loras}$`));
    const other = await imagegen("cache", "mirror", "s3://models/prefix", "--model", "acme/tiny");
    expect(other.stdout).toMatch(/ us-east-1 test$/);
  });

  test("of another model takes its revision, and passes JSON and the exit code on", async () => {
    standIn(3);
    const options = ["--model", "acme/tiny", "--revision", "v2", "--json"];
    const { stdout, exitCode } = await imagegen("cache", "mirror", "s3://models/prefix", ...options);
    expect([exitCode, stdout.split(" | ")[0]]).toEqual([
      3,
      "-m image_gen mirror --model acme/tiny --revision v2 --output s3://models/prefix --json",
    ]);
  });

  test.each([
    [
      [],
      "imagegen: modelMirror: expected s3://<bucket>/<prefix>, got nothing. Fix: imagegen cache mirror s3://<bucket>/<prefix> --stack aws-fleet",
    ],
    [
      ["/srv/models"],
      'imagegen: The mirror: expected s3://<bucket>/<prefix>, got "/srv/models". Fix: imagegen cache mirror s3://<bucket>/<prefix> --stack aws-fleet',
    ],
    [
      ["s3://models/prefix", "--model", "demo"],
      "imagegen: The demo model is made on each host, and is in no mirror. Fix: imagegen cache mirror --model <organisation>/<name> --stack aws-fleet",
    ],
  ])("with %j is refused in one line", async (args, line) => {
    const { stderr, exitCode } = await imagegen("cache", "mirror", ...args);
    expect([exitCode, stderr]).toEqual([2, line]);
  });
});

describe("cache put", () => {
  const PLACE = "s3://results/models";
  const put = (...args: string[]) =>
    here.operator.imagegenWith({ AWS_ENDPOINT_URL_S3: here.api.moto.url }, "aws-fleet", "cache", "put", ...args);

  /** The real program, in the environment of the tests in place of one from the package index. */
  async function withoutPackageIndex(): Promise<void> {
    const run = `exec ${await pythonEnvironment()} "$@"`;
    const made = `printf '%s\\n' '#!/bin/bash' 'case "$*" in "-m pip"*) exit;; esac' '${run}' >"$3/bin/python"`;
    here.operator.program("python3", `mkdir -p "$3/bin"; ${made}; chmod +x "$3/bin/python"`);
  }

  /** What a host's container does at its start. */
  async function onHost(model: string, revision: string) {
    const home = mkdtempSync(join(tmpdir(), "imagegen-host-"));
    onTestFinished(() => rmSync(home, { recursive: true }));
    const env = {
      PYTHONPATH: join(paths.imageGen, "src"),
      HF_HOME: home,
      HF_HUB_OFFLINE: "1",
      IMAGE_GEN_MIRROR: PLACE,
      AWS_ENDPOINT_URL: here.api.moto.url,
      AWS_ACCESS_KEY_ID: "test",
      AWS_SECRET_ACCESS_KEY: "test",
      AWS_REGION: "us-east-1",
    };
    const args = ["-m", "image_gen", "prefetch", "--model", model, "--revision", revision, "--json"];
    const { stdout } = await execa(await pythonEnvironment(), args, { env, cwd: home });
    return JSON.parse(stdout) as { id: string; revision: string; directory: string };
  }

  test("sends a checkpoint to the mirror, from which a host gets and verifies it without a hub", async () => {
    await withoutPackageIndex();
    const file = join(here.operator.directory, "my photos.safetensors");
    writeFileSync(file, checkpoint());
    const odd = await put(file, PLACE);
    expect([odd.exitCode, odd.stderr.split("\n").at(-1)]).toEqual([1, expect.stringContaining("Fix: rename it")]);
    const named = join(here.operator.directory, "photos.safetensors");
    writeFileSync(named, checkpoint());
    const { stdout, exitCode } = await put(named, PLACE);
    expect(exitCode).toBe(0);
    const [, revision = ""] = /^own\/photos\/photos\.safetensors at ([0-9a-f]{40}): /.exec(stdout) ?? [];
    expect(stdout.split("\n").at(-1)).toBe(
      `Serve it: imagegen up --model own/photos/photos.safetensors --config modelRevision=${revision} --config modelMirror=${PLACE} --stack aws-fleet`,
    );
    const found = await onHost("own/photos/photos.safetensors", revision);
    expect(found).toMatchObject({ id: "own/photos/photos.safetensors", revision });
    expect(readFileSync(join(found.directory, "photos.safetensors"))).toEqual(checkpoint());
  });

  test("sends it under a name, as JSON; the same again is the same revision", async () => {
    await withoutPackageIndex();
    const file = join(here.operator.directory, "other.safetensors");
    writeFileSync(file, checkpoint("x"));
    const results = [];
    for (const _ of [1, 2]) results.push((await put(file, PLACE, "--name", "acme/own", "--json")).stdout);
    const [first, second] = results.map((each) => JSON.parse(each) as Record<string, unknown>);
    expect(second).toEqual(first);
    expect(first).toMatchObject({
      stack: "aws-fleet",
      model: "acme/own/other.safetensors",
      bytes: checkpoint("x").length,
    });
    expect(first?.place).toBe(`${PLACE}/acme/own/${String(first?.revision)}`);
  });

  test("of a LoRA adds it to those of the stack", async () => {
    await withoutPackageIndex();
    const stack = join(here.operator.directory, "stacks/Pulumi.aws-fleet.yaml");
    appendFileSync(
      stack,
      `  Picture-Perfect-Challenge:loras: a=org/a\n  Picture-Perfect-Challenge:modelMirror: ${PLACE}\n`,
    );
    onTestFinished(() => here.operator.restoreStackFile("aws-fleet"));
    const file = join(here.operator.directory, "sketch.safetensors");
    writeFileSync(file, safetensors(["unet.mid_block.to_q.lora_A.weight"]));
    const { stdout, exitCode } = await put(file, "--json");
    expect(exitCode).toBe(0);
    const { model, revision, serve } = JSON.parse(stdout) as Record<"model" | "revision" | "serve", string>;
    expect(model).toBe(`own/sketch@${revision}/sketch.safetensors`);
    expect(serve).toBe(`imagegen up --config loras=a=org/a,sketch=${model} --stack aws-fleet`);
  });

  test("of a LoRA whose name the stack has is in place of that one, and has a name that the key takes", async () => {
    await withoutPackageIndex();
    const stack = join(here.operator.directory, "stacks/Pulumi.aws-fleet.yaml");
    appendFileSync(
      stack,
      `  Picture-Perfect-Challenge:loras: "${"s".repeat(64)}=own/old@${"1".repeat(40)}, b=/data/my b.safetensors"\n  Picture-Perfect-Challenge:modelMirror: ${PLACE}\n`,
    );
    onTestFinished(() => here.operator.restoreStackFile("aws-fleet"));
    const file = join(here.operator.directory, "again.safetensors");
    writeFileSync(file, safetensors(["unet.mid_block.to_q.lora_A.weight"]));
    const { stdout } = await put(file, "--name", `own/${"s".repeat(70)}`, "--json");
    const { model, serve } = JSON.parse(stdout) as Record<"model" | "serve", string>;
    expect(serve).toBe(
      `imagegen up --config loras='b=/data/my b.safetensors,${"s".repeat(64)}=${model}' --stack aws-fleet`,
    );
  });

  test("says what is no model, and sends nothing", async () => {
    await withoutPackageIndex();
    const file = join(here.operator.directory, "part.safetensors");
    writeFileSync(file, "not a checkpoint");
    const { stderr, exitCode } = await put(file, PLACE, "--name", "acme/part");
    expect([exitCode, stderr.split("\n").at(-1)]).toEqual([
      1,
      expect.stringMatching(/^imagegen: <path>: .*part\.safetensors is no safetensors file.* Fix: /),
    ]);
  });

  test.each([
    [["/nowhere", PLACE], "imagegen: There is no /nowhere."],
    [["", PLACE], "imagegen: The path is empty. Fix: imagegen cache put <path> --stack aws-fleet"],
    [
      ["/tmp", PLACE, "--name", "photos"],
      'imagegen: --name: expected <organisation>/<name>, got "photos". Fix: --name acme/photos',
    ],
    [
      ["/tmp"],
      "imagegen: modelMirror: expected s3://<bucket>/<prefix>, got nothing. Fix: imagegen cache put <path> s3://<bucket>/<prefix> --stack aws-fleet",
    ],
  ])("%j is refused in one line", async (args, line) => {
    const { stderr, exitCode } = await put(...args);
    expect([exitCode, stderr]).toEqual([2, line]);
  });

  test("for a stack on this machine names the command that serves the path", async () => {
    const { stderr, exitCode } = await here.operator.imagegenOf("local", "cache", "put", "/tmp", PLACE);
    expect([exitCode, stderr]).toEqual([
      2,
      "imagegen: The stack local runs on this machine, where its service reads the model itself. Fix: imagegen up --model <path>",
    ]);
  });
});

/** A file with the header of a checkpoint of Stable Diffusion 1. */
const checkpoint = (weight = "a"): Buffer =>
  safetensors(
    [
      "model.diffusion_model.input_blocks.0.0.weight",
      "first_stage_model.decoder.conv_in.weight",
      "cond_stage_model.transformer.text_model.embeddings.position_embedding.weight",
    ],
    weight,
  );

function safetensors(names: readonly string[], weight = "a"): Buffer {
  const tensor = (at: number) => ({ dtype: "U8", shape: [1, 4], data_offsets: [at, at + 1] });
  const header = Buffer.from(JSON.stringify(Object.fromEntries(names.map((name, index) => [name, tensor(index)]))));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(header.length));
  return Buffer.concat([length, header, Buffer.from(weight.repeat(names.length))]);
}
