/** GitLab's jobs run the scripts of GitHub's, with the same audience and environments, which are what the stack `ci` trusts. */
import { accessSync, constants, existsSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { parse } from "yaml";
import { planTrust, ROLE_ENVIRONMENTS, type RoleName } from "../../../infra/plan/ci/trust.ts";
import { CiScripts } from "../../support/ci-scripts.ts";
import { ciSettings } from "../../support/ci-settings.ts";

interface GitlabJob {
  readonly stage?: string;
  readonly image?: string;
  readonly extends?: string;
  readonly script?: readonly string[];
  readonly services?: readonly string[];
  readonly rules?: readonly { readonly if?: string; readonly when?: string }[];
  readonly environment?: { readonly name: string; readonly action?: string };
  readonly id_tokens?: Readonly<Record<string, { readonly aud: string }>>;
  readonly resource_group?: string;
  readonly timeout?: string;
  readonly variables?: Readonly<Record<string, string>>;
}

const TEXT = readFileSync(".gitlab-ci.yml", "utf8");
/** Keys that are no job. */
const GLOBAL = ["stages", "workflow", "default"];
const file = parse(TEXT) as Readonly<Record<string, GitlabJob>>;
const { stages } = parse(TEXT) as { readonly stages: readonly string[] };
const JOBS = Object.entries(file).filter(([name]) => !GLOBAL.includes(name) && !name.startsWith("."));
const jobOf = (name: string): GitlabJob => {
  const own = file[name];
  if (!own) throw new Error(`there is no job ${name}`);
  const base = own.extends === undefined ? {} : file[own.extends];
  return { ...base, ...own };
};

interface GithubStep {
  readonly run?: string;
}
const github = (workflow: string, job: string) => {
  const { jobs } = parse(readFileSync(`.github/workflows/${workflow}.yml`, "utf8")) as {
    jobs: Readonly<Record<string, { steps: readonly GithubStep[] }>>;
  };
  return scriptsOf(jobs[job]?.steps.flatMap(({ run }) => run ?? []));
};
const scriptsOf = (lines: readonly string[] = []) => lines.map((line) => line.split(" ")[0]?.split("/").at(-1));

const DEPLOYED_BRANCH = '$CI_COMMIT_BRANCH == $CI_DEFAULT_BRANCH && $CI_PIPELINE_SOURCE != "schedule"';

test.each(JOBS.map(([name]) => name))(
  "%s runs scripts of the checkout alone, ends by itself and is in a stage",
  (name) => {
    const { script = [], timeout, stage, rules = [] } = jobOf(name);
    expect(script.length).toBeGreaterThan(0);
    for (const line of script) {
      expect(line).toMatch(/^scripts\/ci\/[a-z]+\.sh(?: [\w./-]+)*$/);
      accessSync(line.split(" ")[0] ?? "", constants.X_OK);
    }
    expect(timeout).toMatch(/^(?:\d+ minutes|3 hours)$/);
    expect(stages).toContain(stage);
    expect(rules.length).toBeGreaterThan(0);
  },
);

test("images have a whole version, Node's that of the checkout", () => {
  const images = [file.default?.image, ...JOBS.flatMap(([, { image, services = [] }]) => [image, ...services])];
  const named = images.filter((image) => image !== undefined);
  for (const image of named) expect(image).toMatch(/^\w+:\d+\.\d+\.\d+-[a-z]+(?:@sha256:[0-9a-f]{64})?$/);
  expect(file.default?.image).toMatch(new RegExp(`^node:${readFileSync(".node-version", "utf8").trim()}-`));
});

describe("the jobs with a role", () => {
  const ROLES: Readonly<Record<string, RoleName>> = {
    preview: "preview",
    up: "deploy",
    redact: "drift",
    drift: "drift",
  };

  test("are in the role's environment, and no other job is in one", () => {
    const environments = JOBS.flatMap(([name]) => {
      const { environment } = jobOf(name);
      return environment ? [[name, environment.name]] : [];
    });
    const expected = Object.entries(ROLES).map(([name, role]) => [name, ROLE_ENVIRONMENTS[role]]);
    expect(environments).toEqual(expected);
    const withToken = JOBS.map(([name]) => name).filter((name) => jobOf(name).id_tokens !== undefined);
    expect(withToken).toEqual(Object.keys(ROLES));
  });

  test("have a token for the audience that the roles trust", () => {
    const { audience } = planTrust("deploy", ciSettings({ repository: "group/repo", ciProvider: "gitlab" }));
    for (const name of Object.keys(ROLES)) {
      const { id_tokens } = jobOf(name);
      expect(id_tokens).toEqual({ AWS_ID_TOKEN: { aud: audience } });
    }
  });

  test("are given no secret, state or role by the file: variables of GitLab's are", () => {
    expect(TEXT).not.toMatch(/PASSPHRASE|PULUMI_BACKEND_URL|arn:aws|AWS_ROLE_ARN:/);
  });

  test("prepare, then run what GitHub's jobs run", () => {
    const rest = (name: string) => scriptsOf(jobOf(name).script).filter((script) => script !== "gitlab.sh");
    for (const name of Object.keys(ROLES)) expect(scriptsOf(jobOf(name).script)[0]).toBe("gitlab.sh");
    // Docker's disk is in another container.
    expect(rest("up")).toEqual(github("deploy", "up").filter((script) => script !== "space.sh"));
    expect(rest("redact")).toEqual(github("deploy", "redact"));
    expect(rest("drift")).toEqual(github("drift", "drift"));
    // The base is a second checkout there. A comment needs a token that jobs of GitLab's are not given.
    expect(rest("preview").filter((script) => script !== "base.sh")).toEqual(github("preview", "preview"));
  });

  test("change the stack by hand, on the default branch, one at a time", () => {
    const up = jobOf("up");
    expect(up.rules).toEqual([{ if: DEPLOYED_BRANCH, when: "manual" }]);
    expect(up.resource_group).toBe("up-$IMAGEGEN_STACK");
    expect(jobOf("drift").resource_group).toBe(up.resource_group);
    // GitLab stops no job that does not allow it.
    expect(TEXT).not.toContain("interrupt");
    expect(jobOf("redact").rules).toEqual([{ if: DEPLOYED_BRANCH, when: "always" }]);
  });

  test("preview merge requests, and look for drift in schedules alone", () => {
    expect(jobOf("preview").rules).toEqual([{ if: '$CI_PIPELINE_SOURCE == "merge_request_event"' }]);
    expect(jobOf("drift").rules).toEqual([{ if: '$CI_PIPELINE_SOURCE == "schedule"' }]);
    for (const name of ["check", "test"])
      expect(jobOf(name).rules).toEqual([{ if: '$CI_PIPELINE_SOURCE != "schedule"' }]);
  });
});

test("what a job overrides of its base has the base's part too", () => {
  // GitLab merges maps, so that AWS's variables stay; a list would replace one.
  for (const [name, job] of JOBS) {
    const base = job.extends === undefined ? undefined : file[job.extends];
    const lists = Object.keys(job).filter((key) => Array.isArray((base as Record<string, unknown> | undefined)?.[key]));
    expect(lists, name).toEqual([]);
  }
  expect(file[".aws"]?.variables?.AWS_WEB_IDENTITY_TOKEN_FILE).toBe("/tmp/aws-id-token");
});

describe("its scripts", () => {
  let scripts: CiScripts;
  beforeEach(() => {
    scripts = new CiScripts();
    scripts.command("apt-get");
  });
  afterEach(() => scripts.remove());

  test("a job gets the packages that it names, and its token in a file of its own", async () => {
    const path = join(scripts.folder, "token");
    const token = {
      AWS_ID_TOKEN: "eyJ.of.this-test",
      AWS_WEB_IDENTITY_TOKEN_FILE: path,
      AWS_ROLE_ARN: "arn:aws:iam::1:role/r",
    };
    const ended = await scripts.run("gitlab.sh", ["awscli"], token);
    expect([ended.exitCode, ended.all]).toEqual([0, ""]);
    expect(scripts.calls()).toEqual(["apt-get update -qq", "apt-get install -y -qq --no-install-recommends awscli"]);
    expect(readFileSync(path, "utf8")).toBe(token.AWS_ID_TOKEN);
    expect(statSync(path).mode & 0o777).toBe(0o600);
  });

  test("without a role it says which variable names one", async () => {
    const path = join(scripts.folder, "token");
    const ended = await scripts.run("gitlab.sh", [], {
      AWS_ID_TOKEN: "t",
      AWS_WEB_IDENTITY_TOKEN_FILE: path,
      AWS_ROLE_ARN: "",
    });
    expect(ended.exitCode).toBe(1);
    expect(ended.all).toContain("AWS_ROLE_ARN: expected a value, got nothing. Fix: set the variable AWS_ROLE_ARN");
    expect(existsSync(path)).toBe(false);
  });

  test("a job without a token and packages has nothing to prepare", async () => {
    expect((await scripts.run("gitlab.sh", [], { AWS_ID_TOKEN: "" })).exitCode).toBe(0);
    expect(scripts.calls()).toEqual([]);
  });

  test("the base is a second checkout, of the commit that the merge request is made to", async () => {
    scripts.command("git");
    expect((await scripts.run("base.sh", ["folder"], { IMAGEGEN_BASE_COMMIT: "c0ffee" })).exitCode).toBe(0);
    expect(scripts.calls()).toEqual(["git worktree add --quiet --force --detach folder c0ffee"]);
    expect((await scripts.run("base.sh", ["folder"], { IMAGEGEN_BASE_COMMIT: "" })).all).toContain(
      "IMAGEGEN_BASE_COMMIT: expected",
    );
  });
});
