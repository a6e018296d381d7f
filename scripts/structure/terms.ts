/**
 * Terms that this project no longer uses, each with the standard one. In code they are looked for as words of identifiers, strings,
 * comments and file names; in documents as words.
 */
import { languageOf, type SourceFile } from "./source.ts";

/** A word, or words in a row, in any spelling of an identifier: `letGo` is found in `letGo`, `let_go`, `let-go` and "let go". */
type Term = readonly [retired: string, standard: string];

const EVERYWHERE: readonly Term[] = [
  ["mend", "fix"],
  ["mends", "fixes"],
  ["mended", "fixed"],
  ["mending", "fixing"],
  ["mend of", "suggestFix"],
  ["wishes", "LaunchPreferences, HostRequirements"],
  ["host witness", "HostStatusReader"],
  ["verdict", "ProbeState"],
  ["studio", "request queue"],
  ["painter", "generator"],
  ["painted", "generated"],
  ["deaf", "unresponsive"],
  ["let go", "retain"],
  ["lets go", "retains"],
  ["in our words", "worded for the command"],
  ["look at aws", "inspectAws"],
  ["examine aws", "runAwsChecks"],
  ["kept config", "ConfigOverrides"],
  ["real world", "systemDeps"],
  ["host world", "ReadinessDeps"],
  ["aws world", "ssm-probe"],
  ["read machine", "detectGpu"],
  ["way out", "egressRoutes"],
  ["patience seconds", "retryableErrorTimeoutSeconds"],
  ["silence seconds", "noResponseTimeoutSeconds"],
  ["stale seconds", "heartbeatTimeoutSeconds"],
  ["budget seconds", "readyTimeoutSeconds"],
  ["explain refusal", "explainLaunchError"],
  ["checked zone", "requireSameZone"],
  ["unfit instance types", "instanceTypeProblems"],
  ["notes of", "warnings"],
  ["ask in turn", "launchWithFallback"],
  ["launch watch", "LaunchTimeout"],
  ["judge record", "classifyHostStatus"],
  ["facts about aws", "inspectAws"],
  ["clear errors", "translate_os_errors"],
  ["kill if deaf", "_kill_if_unresponsive"],
  ["prefer to die", "_raise_oom_score"],
  ["pass turn", "_release"],
  ["gave up or", "_startup_error"],
  ["put blob", "commit_blob"],
  ["write whole", "write_atomic"],
  ["lay mirror", "export_mirror"],
  ["told", "reported, passed, stated"],
  ["be had", "available"],
  ["is had", "is available"],
  ["not had", "not available"],
  ["hears", "receives"],
  ["heard", "reported; last heartbeat"],
  ["mood", "state"],
  ["newcomer", "first run"],
  ["tidings", "status"],
  ["aws double", "AWS provider fake"],
  ["of ours", "of this stack, of this project"],
  ["goes on", "continues, resumes"],
  ["go on", "continue, resume"],
  ["went on", "continued"],
  ["anew", "again, from scratch"],
  ["ring", "suite"],
  ["rings", "suites"],
];

/** Places where a retired term must stay, with the reason. A file's path, or its beginning. */
const EXCEPTIONS: readonly { readonly path: string; readonly terms?: readonly string[]; readonly reason: string }[] = [
  { path: "scripts/structure/terms.ts", reason: "the list itself" },
  { path: "test/unit/structure/", reason: "the test of this list" },
  { path: "CHANGELOG.md", reason: "tells users what the old names were" },
];

/** The words of a text: `letGo`, `let_go` and "let go" are the same two words. */
function wordsOf(line: string): string {
  const split = line
    .replaceAll(/([a-z0-9])([A-Z])/g, "$1 $2")
    .replaceAll(/([A-Z]+)([A-Z][a-z])/g, "$1 $2")
    .replaceAll(/[^A-Za-z']+/g, " ");
  return ` ${split.toLowerCase().trim()} `;
}

/** One line for each use of a retired term: in a file's name, its code, its comments or its text. */
export function retiredTerms(files: readonly SourceFile[]): string[] {
  const found: string[] = [];
  for (const file of files) {
    if (languageOf(file) === undefined && !/\.(md|ya?ml|json|toml)$/.test(file.path)) continue;
    const excused = EXCEPTIONS.filter(({ path }) => file.path.startsWith(path));
    const lines = [file.path, ...file.text.split("\n")].map(wordsOf);
    for (const [retired, standard] of EVERYWHERE) {
      if (excused.some(({ terms }) => !terms || terms.includes(retired))) continue;
      lines.forEach((line, row) => {
        if (!line.includes(` ${retired} `)) return;
        const where = row === 0 ? `${file.path} (its name)` : `${file.path}:${row}`;
        found.push(`${where}: "${retired}" is retired. Fix: use ${standard}`);
      });
    }
  }
  return found;
}
