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

/** Identifiers, spelled exactly so, and the names that took their place. */
const IDENTIFIERS: readonly Term[] = [
  ["LocalStack", "AutomationStack"],
  ["isAws", "hasAwsErrorName"],
  ["Watch", "ReadinessDeadlines, RunCallbacks, ProgressCallbacks"],
  ["Listing", "BackupIndex, RepoTree"],
  ["Proof", "IntegrityCheck"],
  ["Proven", "VerifiedFiles"],
  ["Answer", "ProbeResult, CommandResult, ImagesResponse"],
  ["World", "ReadinessDeps"],
  ["HostWorld", "ReadinessDeps"],
  ["realWorld", "systemDeps"],
  ["Talk", "ProgressReporter"],
  ["HostWitness", "HostStatusReader"],
  ["HostRecord", "HostStatus"],
  ["ReadyRecord", "HostStatus"],
  ["readMachine", "detectGpu"],
  ["providerOf", "createProvider"],
  ["findZone", "lookupAvailabilityZone"],
  ["wayOut", "egressRoutes"],
  ["makeGroup", "createAutoScalingGroup"],
  ["explainRefusal", "explainLaunchError"],
  ["deploymentOf", "renderDeployment"],
  ["checkedZone", "requireSameZone"],
  ["adoptId", "existingVolumeId"],
  ["unfitInstanceTypes", "instanceTypeProblems"],
  ["startUp", "startupEstimate"],
  ["partitionOf", "awsPartition"],
  ["mirrorOf", "parseS3Uri"],
  ["mendOf", "suggestFix"],
  ["Finding", "Check"],
  ["lookAtAws", "inspectAws"],
  ["examineAws", "runAwsChecks"],
  ["gatherFacts", "inspect"],
  ["Wishes", "LaunchPreferences"],
  ["HostWishes", "HostRequirements"],
  ["wishesOf", "hostRequirements"],
  ["Refusal", "LaunchError"],
  ["refusalIn", "launchErrorIn"],
  ["askInTurn", "launchWithFallback"],
  ["LaunchWatch", "LaunchTimeout"],
  ["judgeRecord", "classifyHostStatus"],
  ["accessOf", "awsClientConfig"],
  ["TypeFacts", "InstanceTypeInfo"],
  ["Known", "Lookup"],
  ["ifKnown", "tryLookup"],
  ["explainAws", "describeAwsError"],
  ["KeptConfig", "ConfigOverrides"],
  ["inOurWords", "problem.ts"],
  ["interruptible", "abortOnSignal"],
  ["Attempts", "Retrier"],
  ["Pace", "ThroughputGuard"],
  ["Catalogue", "ManifestRegistry"],
  ["Holding", "CachedRevision"],
  ["LeftOut", "excluded files"],
  ["put_blob", "commit_blob"],
  ["put_links", "link_snapshot"],
  ["write_whole", "write_atomic"],
  ["lay_mirror", "export_mirror"],
  ["Stamp", "VerificationRecord"],
  ["Mark", "FileFingerprint"],
  ["Warming", "PageCacheReader"],
  ["Wire", "HttpClient"],
  ["Wording", "ServerNames"],
  ["worth_another_try", "is_retryable_status"],
  ["hub_endpoint_given", "hub_endpoint_overridden"],
  ["Studio", "RequestQueue"],
  ["Door", "StartupApp"],
  ["PictureOrder", "ImageJob"],
  ["LoadOrder", "LoadRequest"],
  ["Painted", "GeneratedImage"],
  ["KeyRequired", "ApiKeyMiddleware"],
  ["Abilities", "PipelineInfo"],
  ["without_compiler", "_stub_dynamo"],
  ["silenceSeconds", "noResponseTimeoutSeconds"],
  ["staleSeconds", "heartbeatTimeoutSeconds"],
  ["budgetSeconds", "readyTimeoutSeconds"],
  ["cacheOnDestroy", "onDestroy"],
  ["modelSource", "modelCache"],
];

/** Places where a retired term must stay, with the reason. A file's path, or its beginning. */
const EXCEPTIONS: readonly { readonly path: string; readonly terms?: readonly string[]; readonly reason: string }[] = [
  { path: "scripts/structure/terms.ts", reason: "the list itself" },
  { path: "test/unit/structure/", reason: "the test of this list" },
  { path: "infra/config/schema.ts", terms: ["cacheOnDestroy"], reason: "the table of renamed keys" },
  { path: "docs/reference/config.md", terms: ["cacheOnDestroy"], reason: "the table of renamed keys" },
  { path: "test/", terms: ["cacheOnDestroy"], reason: "tests of the renamed key" },
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
    const report = (row: number, retired: string, standard: string) => {
      const where = row === 0 ? `${file.path} (its name)` : `${file.path}:${row}`;
      found.push(`${where}: "${retired}" is retired. Fix: use ${standard}`);
    };
    const isExcused = (retired: string) => excused.some(({ terms }) => !terms || terms.includes(retired));
    for (const [retired, standard] of isProse(file) ? [] : IDENTIFIERS.filter(([name]) => !isExcused(name))) {
      const whole = new RegExp(`(?<![\\w$])${retired}(?![\\w$])`);
      file.text.split("\n").forEach((line, row) => {
        if (whole.test(line)) report(row + 1, retired, standard);
      });
    }
    const lines = [file.path, ...file.text.split("\n")].map(wordsOf);
    for (const [retired, standard] of EVERYWHERE) {
      if (isExcused(retired)) continue;
      lines.forEach((line, row) => {
        if (line.includes(` ${retired} `)) report(row, retired, standard);
      });
    }
  }
  return found;
}

/** In prose a capital letter may begin a sentence, so that an identifier is not distinct from a word. */
function isProse({ path }: SourceFile): boolean {
  return path.endsWith(".md");
}
