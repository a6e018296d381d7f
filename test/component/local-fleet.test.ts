import { expect, test } from "vitest";
import { LocalFleet } from "../../infra/docker/local-fleet.ts";
import { runProgram } from "../support/program.ts";
import { planWith } from "../support/settings.ts";

const CONTAINER = "docker:index/container:Container";
const ADDRESS = "http://image-game-image-gen-emulator:5000";

async function fleetWith(workers: number, gpu = "none") {
  const { fleet } = planWith({ workers, gpu });
  if (!fleet) throw new Error("no fleet was planned");
  const made = () => new LocalFleet("image-gen", { plan: fleet, imageId: "sha256:1234", volumeName: "models" });
  const { resources } = await runProgram(made);
  const containers = resources.filter(({ type }) => type === CONTAINER);
  return { resources, byName: new Map(containers.map((each) => [String(each.inputs.name), each])) };
}

test("a stack without workers has no fleet", () => {
  expect(planWith({}).fleet).toBeNull();
});

test("a gateway with the service's name and port, workers without a port, and an emulator, in a network of their own", async () => {
  const { resources, byName } = await fleetWith(2);
  expect(resources.map(({ type, name }) => [type, name])).toEqual(
    expect.arrayContaining([
      ["imagegen:host:LocalFleet", "image-gen"],
      ["docker:index/network:Network", "image-gen-network"],
      [CONTAINER, "image-gen-emulator"],
      [CONTAINER, "image-gen-worker-1-container"],
      [CONTAINER, "image-gen-worker-2-container"],
      [CONTAINER, "image-gen-gateway-container"],
    ]),
  );
  expect([...byName.keys()].sort()).toEqual([
    "image-game-image-gen",
    "image-game-image-gen-emulator",
    "image-game-image-gen-worker-1",
    "image-game-image-gen-worker-2",
  ]);
  const gateway = byName.get("image-game-image-gen")?.inputs;
  const worker = byName.get("image-game-image-gen-worker-2")?.inputs;
  expect(gateway).toMatchObject({
    command: ["image-gen", "gateway"],
    ports: [{ internal: 8000, external: 8000, ip: "127.0.0.1", protocol: "tcp" }],
    image: "sha256:1234",
    networkMode: "image-game-image-gen-fleet",
  });
  expect(worker).toMatchObject({
    command: ["image-gen", "work"],
    ports: [],
    image: "sha256:1234",
    networkMode: "image-game-image-gen-fleet",
    mounts: [{ type: "volume", source: "models", target: "/data" }],
    readOnly: true,
    capabilities: { drops: ["ALL"] },
  });
  for (const inputs of [gateway, worker])
    expect(inputs?.envs).toEqual(
      expect.arrayContaining([
        `IMAGE_GEN_QUEUE_URL=${ADDRESS}/123456789012/jobs`,
        `IMAGE_GEN_DEAD_LETTER_QUEUE_URL=${ADDRESS}/123456789012/dead-letters`,
        "IMAGE_GEN_JOB_STORE=s3://image-gen-jobs",
        "IMAGE_GEN_EMULATED=1",
        `AWS_ENDPOINT_URL=${ADDRESS}`,
      ]),
    );
  expect(gateway?.envs).toContain("IMAGE_GEN_MIN_WORKERS=2");
  expect(byName.get("image-game-image-gen-emulator")?.inputs).toMatchObject({
    image: "motoserver/moto:5.2.5",
    networkMode: "image-game-image-gen-fleet",
  });
});

test("the settings of addresses of pictures and of webhooks are the gateway's and the workers'", () => {
  const environment = { IMAGE_GEN_WEBHOOK_PRIVATE: "1" };
  const { fleet } = planWith({ workers: 1, pictureUrlSeconds: 60, environment, secretKeys: ["environment"] });
  for (const plan of [fleet?.gateway, ...(fleet?.workers ?? [])]) {
    expect(plan?.environment).toMatchObject({ IMAGE_GEN_PICTURE_URL_SECONDS: "60", ...environment });
    // IMAGE_GEN_WEBHOOK_SECRET is a part of the map, which is one secret.
    expect(plan?.secrets).toEqual([{ key: "environment", name: null }]);
  }
});

test("of GPUs that are named, each worker has one, and the gateway none", async () => {
  const { byName } = await fleetWith(3, "0,1");
  const gpus = (name: string) => byName.get(`image-game-image-gen${name}`)?.inputs.gpus;
  expect(["-worker-1", "-worker-2", "-worker-3"].map(gpus)).toEqual(["device=0", "device=1", "device=0"]);
  expect(gpus("")).toBeUndefined();
});
