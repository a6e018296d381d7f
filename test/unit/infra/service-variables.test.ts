/** Every variable that the service reads arrives in every way in, or the table says why it can't. */
import { readdirSync, readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { parse } from "yaml";
import { pathsOf } from "../../../cli/core/paths.ts";
import { readShell } from "../../../cli/stack/shell-variables.ts";
import { processEnvironment } from "../../../cli/targets/process/environment.ts";
import { parseSettings } from "../../../infra/config/parse.ts";
import { wordForPulumi } from "../../../infra/config/problem.ts";
import { ALL_KEYS, SECRET_KEYS } from "../../../infra/config/schema.ts";
import {
  isServiceVariable,
  SERVICE_VARIABLES,
  type ServiceVariable,
  type WayIn,
} from "../../../infra/config/service-variables.ts";
import type { Settings } from "../../../infra/config/settings.ts";
import { makeAwsPlan } from "../../../infra/plan/aws/plan.ts";
import { makePlan } from "../../../infra/plan/plan.ts";
import { secretVariables } from "../../../infra/plan/service-environment.ts";

interface Documented {
  readonly name: string;
  readonly default: string;
}
const documented = (
  JSON.parse(readFileSync("docs/reference/service.json", "utf8")) as { environment: readonly Documented[] }
).environment;

/** Read by CUDA itself. */
const NOT_IN_SERVICE = ["CUDA_VISIBLE_DEVICES"];

test("the table has what the service reads, and nothing else", () => {
  const names = SERVICE_VARIABLES.map(({ name }) => name);
  expect(new Set(names).size).toBe(names.length);
  expect(names.filter((name) => !NOT_IN_SERVICE.includes(name)).sort()).toEqual(
    documented.map(({ name }) => name).sort(),
  );
});

test("a key at its default is the service's own default", () => {
  for (const { name, default: value } of documented) {
    const key = SERVICE_VARIABLES.find((each) => each.name === name && !each.sameAs)?.key;
    const spec = key === undefined ? undefined : ALL_KEYS[key];
    if (!spec || spec.default === "" || key === "modelId" || key === "offline" || key === "compile") continue;
    expect([name, `\`${spec.default}\``]).toEqual([name, value]);
  }
});

/** A value for each key that no default is. */
const SAMPLES: Readonly<Record<string, string>> = {
  compile: "true",
  offline: "true",
  gpu: "1",
  dtype: "bfloat16",
  verify: "changed",
  modelId: "org/model",
  modelRevision: "main",
  hubEndpoint: "https://hub.example",
  queueLimit: "3",
  logFormat: "json",
  requestTimeoutSeconds: "5",
  maxSize: "512",
  maxImages: "3",
  engines: "2",
  jobs: "memory",
  jobsKeepSeconds: "60",
  jobsLimit: "3",
  jobsMaxMb: "50",
  warmupSize: "128",
  downloadTimeoutSeconds: "33",
  apiKey: "key",
  hfToken: "hf_token",
  caFile: "/srv/ca.pem",
};
const sampleOf = (key: string) => SAMPLES[key] ?? ALL_KEYS[key]?.example ?? "";

/** The settings of a stack that sets this variable, by its key or by the map for those without one. */
function settingsWith({ name, key, fixed }: ServiceVariable, target: "local" | "aws"): Settings {
  const map = fixed === undefined ? { environment: `${name}=value` } : {};
  const config = key === undefined ? map : { [key]: sampleOf(key) };
  const arns = { apiKey: "apiKeySecretArn", hfToken: "hfTokenSecretArn" }[target === "aws" ? (key ?? "") : ""];
  const secretArn = "arn:aws:secretsmanager:us-east-1:123456789012:secret:name-AbCdEf";
  const raw: Record<string, string> = { target, ...(arns ? { [arns]: secretArn } : config) };
  const secretKeys = SECRET_KEYS.filter((each) => each === key || each === "environment").filter((each) => each in raw);
  const secret = target === "local" && ["hfToken", "apiKey", "environment"].some((each) => each in raw);
  const parsed = parseSettings(raw, { region: "us-east-1", ...(secret ? { secretKeys } : {}) });
  if ("problems" in parsed) throw new Error(parsed.problems.map(wordForPulumi).join("\n"));
  return parsed.settings;
}

/** The names that the service would find in its environment. */
const ARRIVALS: Readonly<Record<WayIn, (variable: ServiceVariable) => readonly string[]>> = {
  process(variable) {
    const settings = settingsWith(variable, "local");
    if (settings.target !== "local") throw new Error("another target");
    const env = processEnvironment(pathsOf("/checkout"), settings, { HOME: "/nobody" });
    // What has no key, and secrets, a process inherits from the shell.
    const inherited = isServiceVariable(variable.name) && !(variable.key && secretVariables(settings).length === 0);
    return [...Object.keys(env), ...(inherited ? [variable.name] : [])];
  },
  docker(variable) {
    const settings = settingsWith(variable, "local");
    if (settings.target !== "local") throw new Error("another target");
    const { environment, secrets } = makePlan(settings, null, { hasGpu: true }).host;
    const map = secrets.some(({ key }) => key === "environment") ? [variable.name] : [];
    return [...Object.keys(environment), ...secrets.map(({ name }) => name ?? ""), ...map];
  },
  compose: () =>
    readdirSync(".")
      .filter((file) => /^compose.*\.yaml$/.test(file))
      .flatMap((file) => {
        const { services } = parse(readFileSync(file, "utf8")) as {
          services: { "image-gen": { environment?: Record<string, unknown> } };
        };
        return Object.keys(services["image-gen"].environment ?? {});
      }),
  aws(variable) {
    const settings = settingsWith(variable, "aws");
    if (settings.target !== "aws") throw new Error("another target");
    const { environment, secrets } = makeAwsPlan(settings, null, "prod").deployment;
    return [...Object.keys(environment), ...Object.keys(secrets)];
  },
};

describe.each(["process", "docker", "compose", "aws"] as const)("in the way in %s", (way) => {
  test.each(SERVICE_VARIABLES.filter(({ not }) => !not?.[way]))("$name arrives", (variable) => {
    expect(ARRIVALS[way](variable)).toContain(variable.name);
  });
  const exceptions = SERVICE_VARIABLES.filter(({ not }) => not?.[way]);
  test.each(exceptions)("$name has a reason not to", ({ not }) => {
    expect(not?.[way]).toMatch(/^\S.{15,}[^.]$/);
  });
});

describe("the shell of `imagegen up`", () => {
  const facts = { stack: "local", config: {}, flags: {}, tracked: {} } as const;
  const P = "Picture-Perfect-Challenge:";
  const textFor = ({ name, key }: ServiceVariable): string => {
    if (key === "noProxy") return ".example,localhost";
    if (name === "HF_TOKEN_PATH") return ".node-version";
    if (["caFile", "apiKeysFile", "hostCache", "modelDir"].includes(key ?? "")) return import.meta.filename;
    return ALL_KEYS[key ?? ""]?.type === "boolean" ? "1" : key === undefined ? "value" : sampleOf(key);
  };

  test.each(SERVICE_VARIABLES.filter(({ key }) => key))("$name becomes $key", (variable) => {
    const { plain, secrets, taken, notTaken } = readShell(
      { [variable.name]: textFor(variable) },
      { ...facts, mode: "docker" },
    );
    expect(notTaken).toEqual([]);
    expect(Object.keys({ ...plain, ...secrets })).toEqual([`${P}${variable.key}`]);
    expect(taken).toEqual([variable.name]);
  });

  // `HOST` and `PORT` are in many shells, and mean something else there; AWS's are for the operator, unless a mirror in S3 is read.
  const silent = (name: string) => ["HOST", "PORT"].includes(name) || name.startsWith("AWS_");
  test.each(SERVICE_VARIABLES.filter(({ name, key }) => !key && !silent(name) && !/CACHE$|DEVICE_ORDER/.test(name)))(
    "$name is named as not taken",
    (variable) => {
      const { taken, notTaken } = readShell({ [variable.name]: "value" }, { ...facts, mode: "docker" });
      expect(taken).toEqual([]);
      expect(notTaken[0]?.message).toContain(`${variable.name} of this shell is not taken`);
    },
  );

  test.each([
    ["HTTPS_PROXY", "http://127.0.0.1:3128", /loopback/],
    ["http_proxy", "http://localhost:3128", /HTTP_PROXY of this shell is not taken.*loopback/],
    ["HF_ENDPOINT", "http://[::1]:9000", /loopback/],
    ["MODEL_DIR", "/nowhere/fox.safetensors", /there is no \/nowhere\/fox\.safetensors/],
    ["SSL_CERT_FILE", "/nowhere/ca.pem", /there is no \/nowhere\/ca\.pem/],
    ["IMAGE_GEN_MAX_SIZE", "big", /expected a whole number/],
    ["HF_TOKEN_PATH", "/nowhere/token", /there is no such file/],
    ["HF_HOME", "/home/anna/hf", /^HF_HOME.*hostCache/],
    ["HUGGINGFACE_HUB_CACHE", "/home/anna/hub", /^HUGGINGFACE_HUB_CACHE.*hostCache/],
  ])("%s=%s can't be used in a container, and is named", (name, text, expected) => {
    const { plain, secrets, notTaken } = readShell({ [name]: text }, { ...facts, mode: "docker" });
    expect({ ...plain, ...secrets }).toEqual({});
    expect(notTaken.map(({ message }) => message).join()).toMatch(expected);
  });

  test.each(["docker", "process"] as const)("a hub's address with a password is a secret, mode %s", (mode) => {
    const HF_ENDPOINT = "https://anna:geheim123@hub.example/api";
    const { plain, secrets, taken, notTaken } = readShell({ HF_ENDPOINT }, { ...facts, mode });
    expect({ plain, secrets, taken, notTaken }).toEqual({
      plain: {},
      secrets: { [`${P}hubEndpoint`]: HF_ENDPOINT },
      taken: ["HF_ENDPOINT"],
      notTaken: [],
    });
  });

  test("a fix shows no password of a variable without a key", () => {
    const SSL_CERT_DIR = "http://anna:geheim123@host";
    const { notTaken } = readShell({ SSL_CERT_DIR }, { ...facts, mode: "docker" });
    expect(notTaken).toHaveLength(1);
    expect(JSON.stringify(notTaken)).not.toContain("geheim123");
  });

  test.each(["docker", "process", "aws"] as const)("the start's own NO_PROXY is not the user's, mode %s", (mode) => {
    const NO_PROXY = "localhost,127.0.0.1,::1";
    const { plain, taken, notTaken } = readShell({ NO_PROXY, no_proxy: NO_PROXY }, { ...facts, mode });
    expect([plain, taken, notTaken]).toEqual([{}, [], []]);
    const own = readShell({ NO_PROXY: `.example,${NO_PROXY}` }, { ...facts, mode });
    const kept = { docker: ".example", process: `.example,${NO_PROXY}`, aws: undefined }[mode];
    expect(own.plain[`${P}noProxy`]).toBe(kept);
  });

  test("ALL_PROXY stands for the proxies that have no variable of their own", () => {
    const read = (env: NodeJS.ProcessEnv, mode: "docker" | "process" = "docker") => {
      const { plain, secrets, notTaken } = readShell(env, { ...facts, mode });
      expect(notTaken).toEqual([]);
      return { ...plain, ...secrets };
    };
    const proxy = "http://proxy:3128";
    expect(read({ all_proxy: proxy })).toEqual({ [`${P}httpProxy`]: proxy, [`${P}httpsProxy`]: proxy });
    expect(read({ ALL_PROXY: proxy, HTTPS_PROXY: "http://other:1" })).toEqual({
      [`${P}httpProxy`]: proxy,
      [`${P}httpsProxy`]: "http://other:1",
    });
    expect(read({ ALL_PROXY: proxy }, "process")).toEqual({});
  });

  test("variables without a key have one fix together, beside those that the stack has", () => {
    const fixes = (env: NodeJS.ProcessEnv, config: Readonly<Record<string, string | { secure: string }>> = {}) =>
      readShell(env, { ...facts, config, mode: "docker" }).notTaken.map(({ fix }) => fix);
    const env = { OTEL_SERVICE_NAME: "my service", IMAGE_GEN_DEVICE: "cpu" };
    const set = { [`${P}environment`]: "AWS_REGION=eu-west-1" };
    expect(fixes({ IMAGE_GEN_DEVICE: "cpu" }, set)).toEqual([
      "imagegen up --config environment=AWS_REGION=eu-west-1,IMAGE_GEN_DEVICE=cpu",
    ]);
    expect(fixes(env)).toEqual([
      `imagegen up --config environment='{"IMAGE_GEN_DEVICE":"cpu","OTEL_SERVICE_NAME":"my service"}'`,
    ]);
    expect(fixes(env, { [`${P}environment`]: { secure: "v1:x" } })[0]).toMatch(/^export IMAGEGEN_ENVIRONMENT='/);
    expect(fixes({ IMAGE_GEN_MANIFESTS: import.meta.dirname })).toEqual(["imagegen up --mode process"]);
    expect(fixes({ SSL_CERT_DIR: "/etc" })[0]).toContain("caFile=");
    // A host has no path of this machine, and no key for one.
    const onAws = readShell({ SSL_CERT_DIR: "/etc", MODEL_DIR: "/etc" }, { ...facts, mode: "aws" }).notTaken;
    expect(onAws.map(({ message, fix }) => [message, fix])).toEqual([
      [
        "MODEL_DIR of this shell is for this machine, and not passed to a host in AWS: a host has no directory of this machine; `environment` may name one of the host's volume.",
        undefined,
      ],
      ["SSL_CERT_DIR of this shell is not taken: /etc is of this machine, and not on the host.", undefined],
    ]);
  });

  test("a fix is quoted as a shell needs it", () => {
    const { notTaken } = readShell({ HF_HUB_CACHE: "/tmp/str ü x/it's" }, { ...facts, mode: "docker" });
    expect(notTaken[0]?.fix).toBe(`imagegen up --config hostCache='/tmp/str ü x/it'\\''s'`);
  });

  test("a proxy with a password is a secret", () => {
    const env = { HTTPS_PROXY: "http://anna:p%23@proxy:3128", https_proxy: "http://other:1" };
    const { plain, secrets } = readShell(env, { ...facts, mode: "docker" });
    expect(plain).toEqual({});
    expect(secrets).toEqual({ [`${P}httpsProxy`]: "http://anna:p%23@proxy:3128" });
  });

  test("a flag and the stack's file win over it, and it says so where they differ", () => {
    const env = { IMAGE_GEN_MAX_SIZE: "512", IMAGE_GEN_DTYPE: "float32" };
    const flags = { [`${P}maxSize`]: "1024" };
    const tracked = { [`${P}dtype`]: "float32" };
    const { plain, notTaken } = readShell(env, {
      ...facts,
      flags,
      tracked,
      config: { ...flags, ...tracked },
      mode: "docker",
    });
    expect(plain).toEqual({});
    expect(notTaken.map(({ message }) => message)).toEqual([
      "IMAGE_GEN_MAX_SIZE of this shell is not taken: --config maxSize sets maxSize.",
    ]);
  });

  test("on AWS it is this machine's, but for the token of a build", () => {
    const env = { HTTPS_PROXY: "http://proxy:3128", IMAGE_GEN_API_KEY: "k", HF_TOKEN: "t" };
    const aws = { ...facts, stack: "prod", mode: "aws" } as const;
    const { plain, secrets, notTaken } = readShell(env, { ...aws, config: { [`${P}modelCache`]: "baked" } });
    expect([plain, secrets]).toEqual([{}, { [`${P}hfToken`]: "t" }]);
    expect(notTaken.map(({ fix }) => fix)).toEqual([
      "imagegen up --config apiKeySecretArn=<its ARN> --stack prod",
      "imagegen up --config httpsProxy=http://proxy:3128 --stack prod",
    ]);
    const passwords = { HF_ENDPOINT: "https://anna:geheim123@hub", https_proxy: "http://anna:geheim123@proxy:3128" };
    expect(readShell(passwords, aws).notTaken.map(({ fix }) => fix)).toEqual([
      "imagegen up --config environmentSecretArns=HF_ENDPOINT=<its ARN> --stack prod",
      "imagegen up --config environmentSecretArns=HTTPS_PROXY=<its ARN> --stack prod",
    ]);
    expect(readShell(env, aws).secrets).toEqual({});
  });
});
