import { existsSync } from "node:fs";
import { join } from "node:path";
import { paths } from "../../paths.ts";

/**
 * Tools whose parser is not available without starting them: the forms that are printed, each as one expression. A new form is a
 * new line here, which somebody has tried.
 */
const FORMS: Readonly<Record<string, RegExp>> = {
  apt: /^install [\w .-]+$/,
  base64: /^-d$/,
  bash: /^-e [\w-]+\.sh$/,
  cat: /^\S*$/,
  cd: /^\S+$/,
  chmod: /^o\+r \S+$/,
  chown: /^(-R )?(\d+:\d+|\$\(id -u\)) \S+$/,
  id: /^-u$/,
  cp: /^-R \S+ \S+$/,
  df: /^(-i|-h \S+)$/,
  echo: /^[A-Z_]+=\S.*$/,
  env: /^$/,
  exit: /^\d$/,
  export: /^(?:[A-Z_]+=\S* ?)+$/,
  gh: /^(?:auth (?:login|status)(?: …)?|attestation verify \S+ --repo \S+|api --silent --method (?:PUT|POST) repos\/\S+(?: (?:--field|-f) [\w[\]]+=\w+)*|variable delete [A-Z_]+|variable set [A-Z_]+(?: --repo \S+)?( --env \w+)? --body \S+|workflow run \w+\.yml --ref \S+|api repos\/[\w.-]+\/[\w.-]+)$/,
  git: /^(clone \S+|push origin (?:HEAD:)?\S+|add \S+|commit -m .+|checkout (?:-- \S+|v[\d.]+)|fetch|log --first-parent \S+|tag v[\d.]+)$/,
  glab: /^variable (?:set|update) [A-Z_]+ \S+ --repo \S+(?: --scope \w+)?$/,
  grep: /^(-A \d+ )?\w+$/,
  journalctl: /^(-u [\w-]+ ?)+( -n \d+)?$/,
  jq: /^-r (?:\.[\w.[\]]+|"(?:\\\([\w.]+\)\/?)+")$/,
  mkdir: /^(-p )?\S+$/,
  "nvidia-ctk": /^runtime configure( --runtime=docker)?$/,
  openssl: /^rand -base64 \d+$/,
  prometheus: /^--config\.file \S+$/,
  promtool: /^(check|test) rules \S+$/,
  rm: /^-rf? \S+$/,
  ssh: /^\S+ .+$/,
  systemctl: /^(restart|start|status) \S+$/,
  unset: /^[A-Z_]+$/,
  usermod: /^-aG docker (\$USER|\S+)$/,
};

/** What is wrong with a command of another tool. */
export function checkOther([program = "", ...args]: readonly string[]): string | null {
  if (/^(scripts|cli|test)\//.test(program))
    return existsSync(join(paths.root, program)) ? null : `there is no ${program}`;
  if (program === "node") return existsSync(join(paths.root, args[0] ?? "")) ? null : `there is no ${args[0]}`;
  if (program.startsWith("/opt/image-gen/bin/")) return hostScript(program.replace("/opt/image-gen/bin/", ""));
  const form = FORMS[program];
  if (!form) return `${program} is not in test/support/commands/parsers/others.ts`;
  return form.test(args.join(" ").trim())
    ? null
    : `${program} ${args.join(" ")} is no form of ${program} that was tried`;
}

const hostScript = (name: string) =>
  ["bin", "credentials"].some((folder) => existsSync(join(paths.root, "infra/aws/host/files", folder, name)))
    ? null
    : `the host has no script ${name}`;
