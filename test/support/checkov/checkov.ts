import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { execa } from "execa";
import { checkovEnvironment } from "../python.ts";

export interface CheckResult {
  /** The plan that it is in. */
  readonly plan: string;
  readonly check: string;
  readonly title: string;
  /** As Terraform names it. */
  readonly resource: string;
}

interface Record {
  readonly check_id: string;
  readonly check_name: string;
  readonly resource: string;
  readonly file_path: string;
}

interface Report {
  readonly results: { readonly failed_checks: readonly Record[]; readonly passed_checks: readonly Record[] };
  readonly summary: { readonly parsing_errors: number };
}

/** Scans plans in Terraform's JSON by checkov's own checks; nothing is fetched, and nothing is sent. */
export async function scan(plans: Readonly<{ [name: string]: object }>) {
  const python = await checkovEnvironment();
  const folder = mkdtempSync(join(tmpdir(), "imagegen-checkov-"));
  try {
    for (const [name, plan] of Object.entries(plans)) writeFileSync(join(folder, `${name}.json`), JSON.stringify(plan));
    const args = ["-d", folder, "--framework", "terraform_plan", "--output", "json", "--skip-download", "--soft-fail"];
    const { stdout, stderr } = await execa(join(dirname(python), "checkov"), args, { maxBuffer: 2 ** 28 });
    const report = JSON.parse(stdout) as Report;
    if (!("results" in report) || report.summary.parsing_errors > 0) throw new Error(`checkov read no plan: ${stderr}`);
    const { failed_checks, passed_checks } = report.results;
    return { failed: failed_checks.map(findingOf), passed: passed_checks.map(findingOf) };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

const findingOf = ({ check_id, check_name, resource, file_path }: Record): CheckResult => ({
  plan: file_path.replace(/^\/|\.json$/g, ""),
  check: check_id,
  title: check_name,
  resource,
});
