/**
 * The permissions of the roles for CI, each with its source. In: the table, and docs/reference/ci-permissions.json, which
 * is there and not beside the table because no deployment reads it: it is for this page and the test alone.
 */
import { PARTS } from "../../infra/plan/ci/permissions/table.ts";
import { code, page, table } from "./markdown.ts";

/** Where the provider calls AWS. `fileOnly`: the call is newer than the commit, or was read in a later file, so that no line is known. */
interface Citation {
  readonly file: string;
  readonly function: string;
  /** As the SDK names it: IAM has other names for some calls. */
  readonly call: string;
  readonly line?: number;
  readonly fileOnly?: true;
}

/** Why AWS wants an action that the provider does not call. */
interface Reason {
  readonly reason: string;
  readonly source: string;
}

export interface PermissionSources {
  readonly repository: string;
  /** Whose lines are cited. */
  readonly commit: string;
  readonly committed: string;
  /** In which each call was looked for, too. */
  readonly version: string;
  readonly types: Readonly<Record<string, Readonly<Record<string, Citation | Reason>>>>;
}

export function ciPermissionsPage(sources: PermissionSources): string {
  const { repository, commit, committed, version } = sources;
  const of = (ref: string, name: string) => `[${name}](https://github.com/${repository}/tree/${ref})`;
  return page(
    "Permissions of the roles for CI",
    "What a role must be allowed to do for each type of resource, and the line of the provider that calls it, or AWS's documentation where the provider calls nothing. " +
      "What each role has of it, and on which resources: [deploy from CI](../guides/deploy-from-ci.md#the-roles).",
    `Lines are those of ${of(commit, `${repository}, commit ${commit.slice(0, 7)}`)} of ${committed}. Each call was looked for in ${of(version, version)} as well, among what the functions of its type reach; ` +
      "functions may have other names and files there. A call that is newer than the commit is cited by its file alone, and so are those for the queues, the policies of groups and the gateway of a fleet, which were read in later files and were not looked for in that version.",
    ...PARTS.flatMap(({ types }) => Object.keys(types)).map((type) => {
      const rows = Object.entries(sources.types[type] ?? {}).map(([action, entry]) => [
        code(action),
        sourceOf(sources, entry),
      ]);
      const none = "None of the table: the keys of `deployKmsKeyArns` have theirs (`infra/plan/ci/roles.ts`).";
      return [`## ${code(type)}`, rows.length === 0 ? none : table(["action", "from"], rows)].join("\n\n");
    }),
  );
}

function sourceOf({ repository, commit, version }: PermissionSources, entry: Citation | Reason): string {
  if ("reason" in entry) return `${entry.reason} [AWS](${entry.source})`;
  const { file, line, call } = entry;
  const link =
    line === undefined
      ? `[${code(file)}](https://github.com/${repository}/blob/${version}/${file}) (file only, ${version})`
      : `[${code(`${file}#L${line}`)}](https://github.com/${repository}/blob/${commit}/${file}#L${line})`;
  return `${code(call)} in ${code(entry.function)}, ${link}`;
}
