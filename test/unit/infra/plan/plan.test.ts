import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { imageContent } from "../../../../infra/io/build-context.ts";
import { contentTag, extraTags } from "../../../../infra/plan/image-tags.ts";
import { makePlan } from "../../../../infra/plan/plan.ts";
import { containerReader } from "../../../../infra/plan/reader.ts";
import { manifest, planWith, settingsWith } from "../../../support/settings.ts";

describe("image", () => {
  test("in volume mode no setting of the model changes it", () => {
    const plain = planWith().image;
    expect(
      planWith({ modelId: "demo", modelRevision: "main", hubEndpoint: "http://hub", hasToken: true }).image,
    ).toEqual(plain);
    expect(plain).toMatchObject({
      name: "image-gen:volume",
      context: "image-gen",
      buildArgs: { BASE_IMAGE: "python:3.12.12-slim-bookworm" },
      network: null,
      secrets: [],
    });
  });

  test("its build takes the proxies, and they are no part of what it is made from", () => {
    const proxies = { httpsProxy: "http://proxy.example:3128", noProxy: ".example" };
    const { image } = planWith(proxies);
    expect(image.proxies).toEqual({ HTTPS_PROXY: proxies.httpsProxy, NO_PROXY: ".example" });
    expect(image.secrets).toEqual(["network_variables"]);
    expect(image.buildArgs).toEqual(planWith().image.buildArgs);
  });

  test("in baked mode it is built with the model; the token is a secret by name", () => {
    const image = planWith({
      modelCache: "baked",
      modelId: "org/model",
      modelRevision: "main",
      hubEndpoint: "http://hub",
      hasToken: true,
      buildNetwork: "host",
    }).image;
    expect(image.name).toBe("image-gen:baked");
    expect(image.buildArgs).toEqual({
      BASE_IMAGE: "python:3.12.12-slim-bookworm",
      MODEL_ID: "org/model",
      MODEL_REVISION: "main",
      HF_ENDPOINT: "http://hub",
    });
    const loras = planWith({ modelCache: "baked", loras: "a=org/a@v1, b = /data/b.safetensors,c=org/c/x.safetensors" });
    expect(loras.image.buildArgs.LORAS).toBe("a=org/a@v1,c=org/c/x.safetensors");
    // The service is given all of them.
    expect(loras.host.environment.IMAGE_GEN_LORAS).toContain("b = /data/b.safetensors");
    for (const without of [{ loras: "b=/data/b.safetensors" }, { modelCache: "volume", loras: "a=org/a" }] as const)
      expect(planWith({ modelCache: "baked", ...without }).image.buildArgs).not.toHaveProperty("LORAS");
    expect(image.secrets).toEqual(["hf_token"]);
    expect(image.network).toBe("host");
  });

  test("a proxy with a password and a file of authorities are secrets of the build on this machine", () => {
    const plan = (more: object) => planWith({ caFile: "/etc/ca.pem", noProxy: ".example", ...more }).image;
    const secret = plan({ secretKeys: ["httpsProxy"] });
    expect(secret).toMatchObject({ secrets: ["network_variables", "ca_file"], caFile: "/etc/ca.pem" });
    expect(secret.proxies).toEqual({ NO_PROXY: ".example" });
    const plain = plan({ httpsProxy: "http://proxy:3128" });
    expect(plain.secrets).toEqual(["network_variables", "ca_file"]);
    expect(plain.proxies).toEqual({ HTTPS_PROXY: "http://proxy:3128", NO_PROXY: ".example" });
  });

  test("a hub with a password is a secret of the build with a model in it, and of no other", () => {
    const plan = (modelCache: "baked" | "volume") => planWith({ modelCache, secretKeys: ["hubEndpoint"] });
    expect(plan("baked").image.secrets).toEqual(["network_variables"]);
    expect(plan("volume").image.secrets).toEqual([]);
    expect(plan("volume").host.secrets).toEqual([{ key: "hubEndpoint", name: "HF_ENDPOINT" }]);
  });

  test("every step of the Dockerfile that downloads takes proxies and authorities over", () => {
    const steps = readFileSync("image-gen/Dockerfile", "utf8")
      .split(/\n(?=[A-Z]+ )/)
      .filter((step) => step.startsWith("RUN "));
    const downloads = steps.filter((step) =>
      /pip install|install-packages \/opt|apt-get update|image_gen bake/.test(step),
    );
    expect(downloads).toHaveLength(4);
    for (const step of downloads) {
      expect(step).toContain("--mount=type=secret,id=network_variables --mount=type=secret,id=ca_file");
      expect(step).toContain("--mount=type=tmpfs,target=/run/build-network");
      expect(step).toMatch(/^ +\. \/run\/build\/network \\$/m);
    }
  });

  test("torch's CPU build is a build argument, and so another image, where the service has no GPU", () => {
    const argument = (torchIndex: string | null, gpu = "auto", hasGpu = false) =>
      planWith({ torchIndex, gpu }, hasGpu).image.buildArgs.TORCH_INDEX;
    expect(argument(null)).toBeUndefined();
    expect(argument("cpu")).toBe("cpu");
    expect(argument("https://index.example/cpu", "none", true)).toBe("https://index.example/cpu");
    expect(argument("cpu", "auto", true)).toBeUndefined();
    expect(argument("cpu", "0")).toBeUndefined();
    const content = (torchIndex: string | null) => imageContent(planWith({ torchIndex }).image, "same files");
    expect(new Set([content(null), content("cpu"), content("https://index.example/cpu")]).size).toBe(3);
  });

  test.each([
    ["image-gen", "image-gen:volume"],
    ["image-gen:mine", "image-gen:mine"],
    ["registry.example:5000/image-gen", "registry.example:5000/image-gen:volume"],
  ])("%s is tagged %s", (imageName, name) => expect(planWith({ imageName }).image.name).toBe(name));

  test.each([
    ["image-gen", "image-gen"],
    ["image-gen:mine", "image-gen"],
    ["registry.example:5000/image-gen:mine", "registry.example:5000/image-gen"],
    [`registry.example:5000/image-gen@sha256:${"a".repeat(64)}`, "registry.example:5000/image-gen"],
  ])("%s has its own tag in %s", (imageName, repository) =>
    expect(contentTag(planWith({ imageName }).image, "0123456789abcdef0123")).toBe(`${repository}:0123456789abcdef`),
  );

  test("the guide's name is for the stack local alone; a name that was chosen, for every stack", () => {
    const tags = (imageName: string, stack: string) => extraTags({ imageName }, planWith({ imageName }).image, stack);
    expect(tags("image-gen", "local")).toEqual(["image-gen:volume"]);
    expect(tags("image-gen", "local-baked")).toEqual([]);
    expect(tags("mine", "local-baked")).toEqual(["mine:volume"]);
  });
});

describe("cache", () => {
  test("the volume is mounted at the data path and retained", () => {
    expect(planWith().cache).toEqual({
      volumeName: "Picture-Perfect-Challenge_image_data",
      kind: "volume",
      mountPath: "/data",
      retain: true,
    });
  });

  test("baked mode has the same volume", () => {
    expect(planWith({ modelCache: "baked" }).cache).toEqual(planWith().cache);
  });

  test("only onDestroy=delete gives it up", () => {
    expect(planWith({ onDestroy: "delete" }).cache.retain).toBe(false);
  });
});

describe("host", () => {
  test("names, port and environment are the guide's", () => {
    const { host } = planWith();
    expect(host.containerName).toBe("image-game-image-gen");
    expect(host.port).toEqual({ bindAddress: "127.0.0.1", external: 8000, internal: 8000 });
    expect(host.volume).toEqual({ name: "Picture-Perfect-Challenge_image_data", path: "/data", kind: "volume" });
    expect(host.environment).toEqual({
      HF_HOME: "/data/huggingface",
      HF_HUB_CACHE: "/data/huggingface/hub",
      TRANSFORMERS_CACHE: "/data/huggingface/hub",
      MODEL_ID: "stabilityai/stable-diffusion-xl-base-1.0",
      IMAGE_GEN_DRAIN_TIMEOUT: "50",
    });
  });

  test("what is optional is there only when it is set", () => {
    expect(
      planWith({ modelRevision: "main", vaeId: "org/vae", hubEndpoint: "http://hub" }).host.environment,
    ).toMatchObject({
      MODEL_REVISION: "main",
      VAE_ID: "org/vae",
      HF_ENDPOINT: "http://hub",
    });
  });

  test("several GPUs are chosen by CUDA, which then counts as nvidia-smi does", () => {
    expect(planWith({ gpu: "0,2" }).host.environment).toMatchObject({
      CUDA_VISIBLE_DEVICES: "0,2",
      CUDA_DEVICE_ORDER: "PCI_BUS_ID",
    });
    expect(planWith({ gpu: "count=2" }).host.environment).toMatchObject({ CUDA_VISIBLE_DEVICES: "0,1" });
    expect(planWith({ gpu: "2" }).host.environment).not.toHaveProperty("CUDA_VISIBLE_DEVICES");
  });

  test("files of this machine are mounted read-only, where the service looks for them", () => {
    const { host } = planWith({
      caFile: "/srv/ca.pem",
      hostCache: "/home/a/.cache/huggingface",
      modelMirror: "/srv/models",
    });
    expect(host.bindMounts).toEqual([
      { source: "/srv/ca.pem", target: "/etc/image-gen/ca.pem" },
      { source: "/home/a/.cache/huggingface", target: "/host-cache" },
      { source: "/srv/models", target: "/mirror" },
    ]);
    const { IMAGE_GEN_COMMAND, IMAGE_GEN_MOUNTS = "" } = containerReader("imagegen --stack prod", host);
    expect(IMAGE_GEN_COMMAND).toBe("imagegen --stack prod");
    expect(JSON.parse(IMAGE_GEN_MOUNTS)).toEqual({
      "/data": "Picture-Perfect-Challenge_image_data",
      "/etc/image-gen/ca.pem": "/srv/ca.pem",
      "/host-cache": "/home/a/.cache/huggingface",
      "/mirror": "/srv/models",
    });
    expect(host.environment).toMatchObject({
      SSL_CERT_FILE: "/etc/image-gen/ca.pem",
      IMAGE_GEN_HOST_CACHE: "/host-cache",
      IMAGE_GEN_MIRROR: "file:///mirror",
    });
  });

  test.each(["/home/a/my models/fox.safetensors", "/srv/fox.safetensors"])(
    "the user's own model %s is mounted, named by its path in the container, and not downloaded",
    (modelDir) => {
      const { host, modelId, readiness, startupEstimate, room } = planWith({ modelDir });
      const target = "/models/fox.safetensors";
      expect(host.bindMounts).toEqual([{ source: modelDir, target }]);
      expect(host.environment).toMatchObject({ MODEL_DIR: target });
      expect(modelId).toBe(target);
      // In a container; as a process.
      expect(readiness.models).toEqual([target, modelDir]);
      expect(readiness.readyTimeoutSeconds).toBe(600);
      expect(startupEstimate).toMatchObject({ bytesToFetch: 0, firstSeconds: startupEstimate.cachedSeconds });
      expect(room.parts.map(({ what }) => what)).not.toContain("the model");
    },
  );

  test("a model's path that only the container has is awaited by that name", () => {
    const { host, readiness, startupEstimate } = planWith({ environment: { MODEL_DIR: "/data/fox" } });
    expect(host.bindMounts).toEqual([]);
    expect(readiness.models).toEqual(["/data/fox"]);
    expect(startupEstimate.bytesToFetch).toBe(0);
    expect(planWith().readiness).not.toHaveProperty("acceptsPath");
    expect(planWith({ secretKeys: ["environment"] }).readiness).toMatchObject({ acceptsPath: true });
  });

  test("a folder of this machine takes the volume's place, for the user that it belongs to", () => {
    const { host, cache } = planWith({ volumeName: "/srv/models", containerUser: "1000:1000" });
    expect(cache).toMatchObject({ volumeName: "/srv/models", kind: "bind" });
    expect(host.volume).toEqual({ name: "/srv/models", path: "/data", kind: "bind" });
    expect(host.user).toBe("1000:1000");
  });

  test("a picture in the making ends before Docker kills", () => {
    const { host } = planWith();
    expect(Number(host.environment.IMAGE_GEN_DRAIN_TIMEOUT)).toBeLessThan(host.stopSeconds);
  });

  test.each([
    ["auto", true, "all"],
    ["auto", false, null],
    ["all", false, "all"],
    ["none", true, null],
    ["0", false, "device=0"],
    ["0,2", true, "all"],
    ["count=1", true, "device=0"],
  ] as const)("gpu %s on a machine with GPU %s gives %s", (gpu, hasGpu, gpus) => {
    const plan = planWith({ gpu }, hasGpu);
    expect(plan.host.gpus).toBe(gpus);
    expect(plan.readiness.device).toBe(gpus ? "cuda" : "cpu");
  });
});

describe("health", () => {
  test.each([
    ["127.0.0.1", "http://127.0.0.1:8000"],
    ["0.0.0.0", "http://127.0.0.1:8000"],
    ["::", "http://[::1]:8000"],
    ["::1", "http://[::1]:8000"],
    ["10.0.0.7", "http://10.0.0.7:8000"],
  ])("bound to %s it asks %s", (bindAddress, url) => {
    expect(planWith({ bindAddress }).readiness).toMatchObject({ url, readyUrl: `${url}/readyz` });
  });

  test("the wait is sized by the model on a slow line", () => {
    expect(planWith().readiness.readyTimeoutSeconds).toBe(10e9 / 5e6 + 600);
    expect(planWith({ modelCache: "baked" }).readiness.readyTimeoutSeconds).toBe(600);
    expect(planWith({ readyTimeoutSeconds: 42 }).readiness.readyTimeoutSeconds).toBe(42);
  });

  test("the model is known by all its names", () => {
    expect(planWith({ modelId: "sdxl" }).readiness.models).toEqual([
      "sdxl",
      "stabilityai/stable-diffusion-xl-base-1.0",
    ]);
    expect(makePlan(settingsWith({ modelId: "demo" }), null, { hasGpu: false }).readiness.models).toEqual([
      "demo",
      "image-gen/demo",
    ]);
  });
});

describe("start-up", () => {
  test("first, cached and baked starts at the stated rates", () => {
    expect(planWith({}, true).startupEstimate).toEqual({
      modelBytes: 10e9,
      modelBytesSource: "manifest",
      loraBytes: 0,
      bytesToFetch: 10e9,
      firstSeconds: 1_030,
      cachedSeconds: 30,
      warmSeconds: 25,
      bakedSeconds: 30,
      warmUpSeconds: 10,
      downloadBytesPerSecond: 10e6,
      machine: null,
    });
  });

  describe("with the rates of a machine", () => {
    const machine = {
      at: "2026-11-28T07:00:00Z",
      cores: 2,
      importSeconds: 4,
      readBytesPerSecond: 500e6,
      blake3BytesPerSecond: 5e9,
      sha256BytesPerSecond: 1e9,
      loadBytesPerSecond: 2.5e9,
      passBytesPerSecond: 2e9,
      promptBytesPerSecond: 1e9,
    };
    const estimate = (changes: Partial<typeof machine> = {}, downloadBytesPerSecond = 100e6) =>
      makePlan(
        settingsWith(),
        manifest,
        { hasGpu: true },
        { machine: { ...machine, ...changes }, downloadBytesPerSecond },
      ).startupEstimate;

    test("what is slowest counts, then the weights come to the device, then the first picture", () => {
      // 10 GB in one file: 20 s from the disk, 2 s of BLAKE3, 10 s of sha256, 4 s to the device, 10 s for two steps.
      expect(estimate()).toMatchObject({ cachedSeconds: 34, warmSeconds: 18, bakedSeconds: 34, warmUpSeconds: 10 });
      expect(estimate({ readBytesPerSecond: 10e9 })).toMatchObject({ cachedSeconds: 18, bakedSeconds: 24 });
      expect(estimate({ importSeconds: 30 })).toMatchObject({ cachedSeconds: 44, warmSeconds: 44, bakedSeconds: 44 });
    });

    test("few cores share imports and hashes", () => {
      expect(estimate({ cores: 1, readBytesPerSecond: 10e9 })).toMatchObject({ warmSeconds: 20, bakedSeconds: 28 });
    });

    test("a first start is as long as its download, and what the largest file takes then", () => {
      expect(estimate().firstSeconds).toBe(100 + 4 + 10);
      expect(estimate({}, 10e9).firstSeconds).toBe(10 + 4 + 10);
    });

    test("a disk that could not be measured counts as none", () => {
      const { startupEstimate } = makePlan(
        settingsWith(),
        manifest,
        { hasGpu: true },
        {
          machine: { ...machine, readBytesPerSecond: null },
        },
      );
      expect(startupEstimate.cachedSeconds).toBe(startupEstimate.warmSeconds);
    });
  });

  test("a baked model is fetched by the build, not by the service", () => {
    expect(planWith({ modelCache: "baked" }).startupEstimate.bytesToFetch).toBe(0);
    expect(planWith({ vaeId: "madebyollin/sdxl-vae-fp16-fix" }).startupEstimate.bytesToFetch).toBe(10e9 + 335e6);
  });

  test("LoRAs of repositories are downloaded as well; those in files are there", () => {
    const { readiness, startupEstimate } = planWith({
      loras: "a=org/a@v1,b=/data/b.safetensors, c = org/c/x.safetensors",
    });
    expect(startupEstimate).toMatchObject({ modelBytes: 10e9, loraBytes: 1.6e9, bytesToFetch: 11.6e9 });
    expect(readiness.readyTimeoutSeconds).toBe(planWith().readiness.readyTimeoutSeconds + 1.6e9 / 5e6);
    const own = planWith({ modelDir: "/srv/own", loras: "a=org/a" });
    expect(own.startupEstimate.bytesToFetch).toBe(0.8e9);
    expect(planWith({ loras: "a=org/a", modelCache: "baked" }).startupEstimate.bytesToFetch).toBe(0);
  });

  test("a model without a manifest is assumed to be big, the demo is small", () => {
    const of = (modelId: string) => makePlan(settingsWith({ modelId }), null, { hasGpu: false }).startupEstimate;
    expect(of("org/other")).toMatchObject({ modelBytes: 14e9, modelBytesSource: "assumed" });
    expect(of("demo")).toMatchObject({ modelBytes: 16e6, modelBytesSource: "demo" });
  });
});

test("a plan is plain data", () => {
  const plan = makePlan(settingsWith(), manifest, { hasGpu: true });
  expect(JSON.parse(JSON.stringify(plan))).toEqual(plan);
});
