import { execa } from "execa";
import { CliError, type ErrorDetail, firstLine } from "../../core/exit.ts";

/** GitHub's own command, signed in, for one repository. Each throws a CliError with what `gh` said. */
export type GitHub = Readonly<ReturnType<typeof openRepository>>;

/** A repository as GitHub has it: whatever name it was asked by, as an earlier one is after a rename. */
export interface GitHubRepository {
  /** `<owner>/<name>`. */
  readonly name: string;
  /** `<owner's id>/<repository's id>`. */
  readonly ids: string;
  readonly defaultBranch: string;
}

const OPTIONS = { reject: false, timeout: 30_000, stdin: "ignore" } as const;
const NOT_FOUND = /HTTP 404|Not Found/i;

/** Finds `gh` on PATH, signed in; else the reason. */
export async function openGitHub(repository: string): Promise<GitHub | ErrorDetail> {
  const { exitCode, failed } = await execa("gh", ["auth", "status"], OPTIONS);
  if (exitCode === undefined && failed) return { message: "gh is not on PATH.", fix: "https://cli.github.com/" };
  if (exitCode !== 0) return { message: "gh is not signed in.", fix: "gh auth login" };
  return openRepository(repository);
}

export const isGitHub = (found: GitHub | ErrorDetail): found is GitHub => "variables" in found;

function openRepository(repository: string) {
  const branches = async (environment: string) => {
    const path = `repos/${repository}/environments/${environment}/deployment-branch-policies`;
    return lines((await run(["api", path, "--jq", ".branch_policies[].name"], { orNothing: true })) ?? "");
  };
  return {
    async repository(): Promise<GitHubRepository> {
      const jq = '"\\(.full_name) \\(.owner.id)/\\(.id) \\(.default_branch)"';
      const text = await run(["api", `repos/${repository}`, "--jq", jq]);
      const [name = "", ids = "", defaultBranch = ""] = (text ?? "").trim().split(" ");
      return { name, ids, defaultBranch };
    },
    /** The branches that an environment is restricted to; empty where it is not restricted, or not there. */
    branches,
    /** Variables by name: the repository's, or an environment's; none where that is not there. */
    async variables(environment: string | null): Promise<Readonly<Record<string, string>>> {
      const of = environment === null ? [] : ["--env", environment];
      const args = ["variable", "list", "--repo", repository, ...of, "--json", "name,value"];
      const found = JSON.parse((await run(args, { orNothing: true })) ?? "[]") as readonly NamedValue[];
      return Object.fromEntries(found.map(({ name, value }) => [name, value]));
    },
    /** Runs one of the plan's commands. An environment's branch that is there already is not added again, which GitHub refuses. */
    async send([, ...args]: readonly string[]): Promise<void> {
      const path = args.find((word) => word.endsWith("/deployment-branch-policies"));
      const environment = path?.split("/").at(-2);
      const branch = args.at(-1)?.replace(/^name=/, "") ?? "";
      if (environment !== undefined && (await branches(environment)).includes(branch)) return;
      await run(args);
    },
  };
}

interface NamedValue {
  readonly name: string;
  readonly value: string;
}

/** `orNothing`: undefined for what GitHub does not have. */
async function run(args: readonly string[], { orNothing = false } = {}): Promise<string | undefined> {
  const { exitCode, stdout, stderr, timedOut } = await execa("gh", args, OPTIONS);
  if (exitCode === 0) return stdout;
  if (orNothing && NOT_FOUND.test(stderr)) return undefined;
  const reason = timedOut ? "no answer within 30 s" : firstLine(stderr);
  const path = args.find((word) => word.startsWith("repos/"));
  const isEnvironment = path?.includes("/environments/") && /HTTP 4(?:03|04|22)/.test(stderr);
  const fix = isEnvironment
    ? "use an account that administers the repository; in a private one, branch rules of environments need GitHub Pro or Team"
    : "gh auth status";
  throw new CliError({ message: `gh ${args[0]} ${path ?? args[1]}: ${reason}.`, fix });
}

const lines = (text: string) => text.split("\n").filter((line) => line !== "");
