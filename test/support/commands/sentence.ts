/** Programs whose commands a sentence may name, with what must follow so that it is no mere noun. */
const PROGRAMS: Readonly<Record<string, string>> = {
  imagegen: "(?!from\\b)[a-z<…-]",
  "image-gen": "(?!service|host|data\\b|load\\b|or\\b|container|image-gen|and\\b|cache\\b)[a-z-]",
  npm: "(?:ci|i|install|run|start|test|version)\\b",
  npx: "[a-z]",
  pulumi: "[a-z]",
  docker: "[a-z]",
  "docker-compose": "[a-z-]",
  podman: "[a-z]",
  aws: "[a-z]",
  hf: "(?:auth|cache|download)\\b",
  git: "(?:add|checkout|clone|commit|config|rm|stash|tag)\\b",
  gh: "[a-z]",
  sudo: "\\S",
  systemctl: "[a-z]",
  journalctl: "-",
  chown: "[<$\\w-]",
  chmod: "[<$\\w-]",
  mkdir: "[<-]",
  rm: "-",
  curl: "[-\\w]",
  ssh: "(?:other|<)",
  export: "[A-Z]",
  unset: "[A-Z<]",
  df: "-",
  node: "(?:cli|scripts|test)/",
};
const START = new RegExp(
  `(?<![\\w./=-])(?:[A-Z_]+=\\S+ )?(?:${Object.entries(PROGRAMS)
    .map(([name, next]) => `${name} (?=${next})`)
    .join("|")})`,
  "g",
);

/** Stands for a blank that separates no words. */
const BLANK = "\u2420";

/** The words that continue a sentence after a command that is not in quotes. */
const CONTINUES =
  /\s(?:again|and|at|beside|cannot|failed|first|for|into|is|later|makes?|moves|needs?|or|does|pulls|prints?|says?|shows|that|then|to|when|where|which|with)(?![\w-])/;
const ENDS = /`|\s{2,}|[,;:.!?)](?=\s|$)|\s\(|\s→|\n| –/;

/** The commands in a text: those in backticks, and those that a sentence names as they are. A pipe or `&&` belongs to a command. */
export function commandsInText(text: string): string[] {
  // Blanks in placeholders and quotes end no command.
  const masked = text.replaceAll(/<[^<>\n]+>|"[^"\n]*"|'[^'\n]*'/g, (part) => part.replaceAll(" ", BLANK));
  const found: string[] = [];
  let end = 0;
  for (const { 0: start, index } of masked.matchAll(START)) {
    if (index < end) continue;
    const opening = masked[index - 1] ?? "";
    const rest = masked.slice(index + start.length);
    const closing = opening === "`" ? rest.indexOf(opening) : -1;
    const command = closing >= 0 ? rest.slice(0, closing) : upToProse(rest);
    end = index + start.length + command.length;
    if (command.trim() !== "") found.push(`${start}${command}`.replaceAll(BLANK, " ").trim());
  }
  return found;
}

function upToProse(rest: string): string {
  const ends = [rest.search(ENDS), ` ${rest}`.search(CONTINUES)].filter((at) => at >= 0);
  return ends.length > 0 ? rest.slice(0, Math.min(...ends)) : rest;
}
