import * as pulumi from "@pulumi/pulumi";
import { expect, test } from "vitest";
import type { LocalSettings } from "../../infra/config/settings.ts";
import { DockerHost } from "../../infra/docker/container.ts";
import { ownerLabels } from "../../infra/plan/owner.ts";
import { known } from "../support/outputs.ts";
import { runProgram, theOnly } from "../support/program.ts";
import { planWith } from "../support/settings.ts";

const CONTAINER = "docker:index/container:Container";

async function containerWith(changes: Partial<LocalSettings> = {}, { hasGpu = false, hfToken = "" } = {}) {
  const { host } = planWith(changes, hasGpu);
  const secrets = hfToken === "" ? {} : { hfToken: pulumi.secret(hfToken) };
  const { resources } = await runProgram(
    () =>
      new DockerHost("image-gen", {
        plan: host,
        imageId: "sha256:1234",
        volumeName: "models",
        labels: ownerLabels({ stack: "local", checkout: "/a/checkout" }),
        secrets,
      }),
  );
  return { resources, ...theOnly(resources, CONTAINER) };
}

test("one container with the guide's names, hardened, checked and logged", async () => {
  const { resources, inputs, options } = await containerWith();
  expect(resources.map(({ type, name }) => [type, name])).toEqual([
    ["imagegen:host:DockerHost", "image-gen"],
    [CONTAINER, "image-gen-container"],
  ]);
  expect(inputs).toEqual({
    name: "image-game-image-gen",
    image: "sha256:1234",
    labels: [
      { label: "imagegen.stack", value: "local" },
      { label: "imagegen.checkout", value: "/a/checkout" },
    ],
    envs: [
      "HF_HOME=/data/huggingface",
      "HF_HUB_CACHE=/data/huggingface/hub",
      "TRANSFORMERS_CACHE=/data/huggingface/hub",
      "MODEL_ID=stabilityai/stable-diffusion-xl-base-1.0",
      "IMAGE_GEN_DRAIN_TIMEOUT=50",
    ],
    ports: [{ internal: 8000, external: 8000, ip: "127.0.0.1", protocol: "tcp" }],
    mounts: [{ type: "volume", source: "models", target: "/data" }],
    healthcheck: {
      tests: ["CMD", "/opt/venv/bin/python", "-I", "-S", "/opt/image-gen/docker/healthcheck.py"],
      interval: "5s",
      timeout: "5s",
      startPeriod: "40m0s",
      retries: 3,
    },
    user: "10001:10001",
    readOnly: true,
    tmpfs: { "/tmp": "size=1g,mode=1777" },
    capabilities: { drops: ["ALL"] },
    securityOpts: ["no-new-privileges:true"],
    init: true,
    restart: "unless-stopped",
    networkMode: "bridge",
    stopTimeout: 60,
    destroyGraceSeconds: 60,
    logDriver: "json-file",
    logOpts: { "max-size": "10m", "max-file": "3" },
  });
  expect(options).toMatchObject({
    parent: "imagegen:host:DockerHost::image-gen",
    protect: false,
    deleteBeforeReplace: true,
    replaceOnChanges: ["healthcheck", "tmpfs", "init"],
    ignoreChanges: ["labels"],
  });
});

test("a GPU and a memory limit are there when they are asked for", async () => {
  const { inputs } = await containerWith({ memoryMb: 4096 }, { hasGpu: true });
  expect(inputs).toMatchObject({ gpus: "all", memory: 4096, memorySwap: 4096 });
});

test("the token reaches the container as a secret", async () => {
  const { inputs } = await containerWith({ secretKeys: ["hfToken"] }, { hfToken: "hf_value" });
  const { envs } = inputs as { envs: { secret: string[] } };
  expect(envs.secret.at(-1)).toBe("HF_TOKEN=hf_value");
  expect(envs.secret).toHaveLength(6);
});

test("secrets reach the container as secrets, those of a map by their own names", async () => {
  const { host } = planWith({ secretKeys: ["apiKey", "httpsProxy", "environment"], maxSize: 512 });
  const { resources } = await runProgram(
    () =>
      new DockerHost("image-gen", {
        plan: host,
        imageId: "sha256:1234",
        volumeName: "models",
        secrets: {
          apiKey: pulumi.secret("k"),
          httpsProxy: pulumi.secret("http://a:b@proxy:1"),
          environment: pulumi.secret('{"AWS_SECRET_ACCESS_KEY":"s","AWS_REGION":"r"}'),
        },
      }),
  );
  const { envs } = theOnly(resources, CONTAINER).inputs as { envs: { secret: string[] } };
  expect(envs.secret.slice(5)).toEqual([
    "IMAGE_GEN_MAX_SIZE=512",
    "IMAGE_GEN_API_KEY=k",
    "HTTPS_PROXY=http://a:b@proxy:1",
    "AWS_SECRET_ACCESS_KEY=s",
    "AWS_REGION=r",
  ]);
});

test("files of this machine are mounted read-only; a folder in place of the volume is not", async () => {
  const { host } = planWith({
    volumeName: "/srv/models",
    caFile: "/srv/ca.pem",
    hostCache: "/srv/hf",
    containerUser: "1000:1000",
  });
  const { resources } = await runProgram(
    () => new DockerHost("image-gen", { plan: host, imageId: "sha256:1234", volumeName: "/srv/models" }),
  );
  expect(theOnly(resources, CONTAINER).inputs).toMatchObject({
    user: "1000:1000",
    mounts: [
      { type: "bind", source: "/srv/models", target: "/data" },
      { type: "bind", source: "/srv/ca.pem", target: "/etc/image-gen/ca.pem", readOnly: true },
      { type: "bind", source: "/srv/hf", target: "/host-cache", readOnly: true },
    ],
  });
});

test("the rest of the program is given what Docker reports", async () => {
  const { host } = planWith();
  const { result } = await runProgram(async () => {
    const made = new DockerHost("image-gen", { plan: host, imageId: "sha256:1234", volumeName: "models" });
    return [await known(made.containerId), await known(made.containerName)];
  });
  expect(result).toEqual(["image-gen-container-id", "image-game-image-gen"]);
});
