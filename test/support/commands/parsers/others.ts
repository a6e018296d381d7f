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
  cat: /^\S*$/,
  cd: /^\S+$/,
  chmod: /^o\+r \S+$/,
  chown: /^(-R )?(\d+:\d+|\$\(id -u\)) \S+$/,
  id: /^-u$/,
  df: /^(-i|-h \S+)$/,
  echo: /^[A-Z_]+=\S.*$/,
  env: /^$/,
  exit: /^\d$/,
  export: /^(?:[A-Z_]+=\S* ?)+$/,
  gh: /^variable set [A-Z_]+( --env \w+)? --body \S+$/,
  git: /^(clone \S+|add \S+|commit -m .+|checkout -- \S+|tag v[\d.]+)$/,
  grep: /^(-A \d+ )?\w+$/,
  journalctl: /^(-u [\w-]+ ?)+( -n \d+)?$/,
  jq: /^-r \.[\w.[\]]+$/,
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
  existsSync(join(paths.root, "infra/aws/host/files/bin", name)) ? null : `the host has no script ${name}`;
