import { execa } from "execa";
import type { CiPlan } from "../../../infra/plan/ci/plan.ts";
import { commandFor } from "../../core/command-line.ts";
import type { Context } from "../../core/context.ts";
import { CliError, type ErrorDetail, EXIT } from "../../core/exit.ts";
import { readText } from "../../stack/config.ts";
import { type GitHub, isGitHub, openGitHub } from "./github.ts";

/** A repository as the stack's config names it. */
export type Repository = Pick<CiPlan, "ciProvider" | "repository">;

const HOSTS = { "github.com": "github", "gitlab.com": "gitlab" } as const;

/** What Git's remote `url` names, in the forms of HTTPS and of SSH; null for another host or form. */
export function parseRemote(url: string): Repository | null {
  const match = /^(?:(?:https|ssh):\/\/(?:[^@/]+@)?|git@)(github\.com|gitlab\.com)[:/](.+?)(?:\.git)?\/?$/.exec(
    url.trim(),
  );
  const [, host, repository] = match ?? [];
  if (host === undefined || repository === undefined || !/^[^/:]+(?:\/[^/:]+)+$/.test(repository)) return null;
  return { ciProvider: HOSTS[host as keyof typeof HOSTS], repository };
}

/** The repository that the checkout was cloned from; null where Git does not know one of GitHub or GitLab. */
async function findRepository(root: string): Promise<Repository | null> {
  const { exitCode, stdout } = await execa("git", ["remote", "get-url", "origin"], { cwd: root, reject: false });
  return exitCode === 0 ? parseRemote(stdout) : null;
}

interface Decided {
  /** Keys that are to be written into the stack's file. */
  readonly values: Readonly<Record<string, string>>;
  /** With GitHub alone: its command, or why it can't be used. */
  readonly github: GitHub | ErrorDetail | null;
  /** GitHub's; null where it was not asked. */
  readonly defaultBranch: string | null;
}

/** The repository: the one that is named, in config, or in Git's remote; on GitHub with the name and the ids that it has there. */
export async function decideRepository({ paths, files }: Context, named: string | undefined): Promise<Decided> {
  const config = files.config();
  const known = readText(config, "repository");
  const found = named === undefined && known === undefined ? await findRepository(paths.root) : null;
  const repository = named ?? known ?? found?.repository;
  if (repository === undefined) {
    const message = "No repository of GitHub or GitLab was found in Git's remote `origin`.";
    const fix = commandFor(files.name, "ci setup --repository <organisation>/<name>");
    throw new CliError({ message, fix }, EXIT.usage);
  }
  const knownProvider = readText(config, "ciProvider");
  const provider = knownProvider ?? found?.ciProvider ?? "github";
  const wanted: Record<string, string> = { repository, ciProvider: provider };
  let defaultBranch: string | null = null;
  const github = provider === "github" ? await openGitHub(repository) : null;
  if (github && isGitHub(github)) {
    const there = await github.repository();
    wanted.repository = there.name;
    wanted.repositoryIds = there.ids;
    defaultBranch = there.defaultBranch;
  }
  const present: Record<string, string> = { ciProvider: "github" };
  for (const key of ["repository", "ciProvider", "repositoryIds"]) {
    const value = readText(config, key);
    if (value !== undefined) present[key] = value;
  }
  const values = Object.fromEntries(Object.entries(wanted).filter(([key, value]) => present[key] !== value));
  if (values.repository !== undefined && present.repositoryIds !== undefined && wanted.repositoryIds === undefined) {
    const message = `repositoryIds are those of ${known ?? "another repository"}, and GitHub was not asked for those of ${repository}.`;
    throw new CliError(
      { message, fix: `gh auth login, or pulumi config rm repositoryIds --stack ${files.name}` },
      EXIT.usage,
    );
  }
  return { values, github, defaultBranch };
}
