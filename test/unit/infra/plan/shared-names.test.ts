/** The plan, compose.yaml, the Dockerfile and .dockerignore state the same things; here they are held together. */
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { parse } from "yaml";
import { imagegenReader, READER_VARIABLE } from "../../../../infra/command-line.ts";
import { cacheEnvironment, SERVICE_NAME } from "../../../../infra/contract.ts";
import { dockerDuration } from "../../../../infra/units.ts";
import { planWith } from "../../../support/settings.ts";

const { image, cache, host } = planWith();

interface Compose {
  services: Record<
    string,
    Record<string, unknown> & { environment: Record<string, string | null>; volumes?: readonly string[] }
  >;
  volumes: Record<string, { name: string }>;
}

/** `${NAME:-default}` as Compose reads it where nothing is set. */
function withDefaults(text: string): string {
  return text.replace(/\$\{[A-Z_]+(?::-([^}]*)|:\?[^}]*)\}/g, "$1");
}

const compose = parse(withDefaults(readFileSync("compose.yaml", "utf8"))) as Compose;
const service = compose.services["image-gen"];
if (!service) throw new Error("compose.yaml has no service image-gen");

test("Compose runs the container that the plan describes", () => {
  expect(Object.keys(compose.services)).toEqual(["image-gen"]);
  expect(service).toMatchObject({
    container_name: host.containerName,
    image: image.name,
    user: host.user,
    read_only: true,
    init: true,
    restart: "unless-stopped",
    cap_drop: host.capabilitiesDropped,
    security_opt: host.securityOptions,
    ports: [`${host.port.bindAddress}:${host.port.external}:${host.port.internal}`],
    volumes: [`image_data:${host.volume.path}`],
    tmpfs: Object.entries(host.tmpfs).map(([path, options]) => `${path}:${options}`),
    stop_grace_period: `${host.stopSeconds}s`,
    logging: { driver: host.log.driver, options: host.log.options },
  });
  expect(service.privileged).toBeUndefined();
  expect(service.network_mode).toBeUndefined();
});

test("both share one volume", () => {
  expect(compose.volumes).toEqual({ image_data: { name: cache.volumeName } });
});

test("both give the same environment; what the plan leaves out, Compose takes only from outside", () => {
  // Each names the command that its own users have.
  const { [READER_VARIABLE]: command, ...environment } = service.environment;
  expect(command).toBe(`docker compose exec ${SERVICE_NAME} image-gen`);
  expect(imagegenReader("local")).toEqual({ [READER_VARIABLE]: "imagegen" });
  const set = Object.entries(environment).filter(([, value]) => value !== null);
  // The image's own default is the same, and with a baked model it is that one.
  const { MODEL_ID, ...rest } = host.environment;
  expect(Object.fromEntries(set)).toEqual(rest);
  expect(service.environment.MODEL_ID).toBeNull();
  expect(/MODEL_ID=\$\{MODEL_ID:-([^}]+)\}/.exec(readFileSync("image-gen/Dockerfile", "utf8"))?.[1]).toBe(MODEL_ID);
});

test("both build from the same files and arguments, and bake nothing by themselves", () => {
  expect(service.build).toEqual({
    context: image.context,
    args: {
      BASE_IMAGE: image.buildArgs.BASE_IMAGE,
      MODEL_ID: null,
      MODEL_REVISION: null,
      VAE_ID: null,
      LORAS: null,
      HF_ENDPOINT: null,
      COMPILE: null,
      HTTP_PROXY: null,
      HTTPS_PROXY: null,
      NO_PROXY: null,
    },
  });
});

test("Compose, the plan and the Dockerfile check health alike", () => {
  const check = host.healthCheck;
  expect(service.healthcheck).toEqual({
    test: check.test,
    interval: dockerDuration(check.intervalSeconds),
    timeout: dockerDuration(check.timeoutSeconds),
    retries: check.retries,
    start_period: `${check.startPeriodSeconds / 60}m`,
  });
  const dockerfile = readFileSync("image-gen/Dockerfile", "utf8");
  const [, options, command] = /^HEALTHCHECK (.+) \\\n\s+CMD (.+)$/m.exec(dockerfile) ?? [];
  expect(["CMD", ...(JSON.parse(command ?? "[]") as string[])]).toEqual(check.test);
  expect(options).toBe(
    `--interval=${check.intervalSeconds}s --timeout=${check.timeoutSeconds}s ` +
      `--start-period=${check.startPeriodSeconds / 60}m --retries=${check.retries}`,
  );
});

test("the Dockerfile has the same defaults as the plan", () => {
  const dockerfile = readFileSync("image-gen/Dockerfile", "utf8");
  expect(/^ARG BASE_IMAGE=(.+)$/m.exec(dockerfile)?.[1]).toBe(image.buildArgs.BASE_IMAGE);
  for (const [key, value] of Object.entries(cacheEnvironment())) expect(dockerfile).toContain(`${key}=${value}`);
  expect(/^USER (.+)$/m.exec(dockerfile)?.[1]).toBe(host.user);
});

test("the image's hash covers exactly what .dockerignore lets through", () => {
  const lines = readFileSync("image-gen/.dockerignore", "utf8").split("\n");
  const allowed = lines.filter((line) => line.startsWith("!")).map((line) => line.slice(1).replace(/\/?\**$/, ""));
  expect(lines).toContain("*");
  expect(allowed.sort()).toEqual([...image.contextEntries].sort());
});

test("the file for GPUs adds them and changes nothing else", () => {
  const gpu = parse(withDefaults(readFileSync("compose.gpu.yaml", "utf8"))) as object;
  const devices = [{ driver: "nvidia", device_ids: ["all"], capabilities: ["gpu"] }];
  expect(gpu).toEqual({ services: { "image-gen": { deploy: { resources: { reservations: { devices } } } } } });
});

test.each([
  ["compose.ca.yaml", { caFile: "/x" }, "SSL_CERT_FILE"],
  ["compose.host-cache.yaml", { hostCache: "/x" }, "IMAGE_GEN_HOST_CACHE"],
  ["compose.keys.yaml", { apiKeysFile: "/x/api-keys" }, "IMAGE_GEN_API_KEYS_FILE"],
  ["compose.mirror.yaml", { modelMirror: "/x" }, "IMAGE_GEN_MIRROR"],
])("%s mounts what the plan mounts for %j", (file, changes, variable) => {
  const added = parse(withDefaults(readFileSync(file, "utf8"))) as Compose;
  const planned = planWith(changes).host;
  const targets = planned.bindMounts.map(({ target }) => `:${target}:ro`);
  const { environment, volumes } = added.services["image-gen"] ?? {};
  expect(volumes).toEqual(targets);
  expect(environment).toEqual({ [variable]: planned.environment[variable] });
});

test("the file for own models mounts a folder to read, and takes a model's path in it", () => {
  const added = parse(withDefaults(readFileSync("compose.models.yaml", "utf8"))) as Compose;
  expect(added.services["image-gen"]).toEqual({ environment: { MODEL_DIR: null }, volumes: [":/models:ro"] });
  expect(compose.services["image-gen"]?.environment).toHaveProperty("MODEL_DIR", null);
  expect(planWith({ modelDir: "/x/fox" }).host.bindMounts).toEqual([{ source: "/x/fox", target: "/models/fox" }]);
});

test("the project's name is the one of earlier releases, and nothing else is set", () => {
  const lines = readFileSync(".env", "utf8").split("\n");
  expect(lines.filter((line) => line !== "" && !line.startsWith("#"))).toEqual([
    "COMPOSE_PROJECT_NAME=picture-perfect-challenge",
  ]);
  expect(compose).not.toHaveProperty("name");
});
