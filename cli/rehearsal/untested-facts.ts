/** Sections of docs/aws-untested.md that a deployment depends on. */
const SECTIONS = ["Resources", "Hosts"];

/** What was never run on real AWS, one entry a bullet of the page, without its markup. */
export function untestedFacts(page: string): string[] {
  const sections = page.split(/^## /m).filter((section) => SECTIONS.includes(section.split("\n", 1)[0] ?? ""));
  return sections.flatMap((section) => {
    const bullets = section.split(/^- /m).slice(1);
    return bullets.map((bullet) =>
      bullet
        .replaceAll(/\s+/g, " ")
        .replaceAll(/\[([^\]]+)\]\([^)]*\)/g, "$1")
        .trim(),
    );
  });
}
