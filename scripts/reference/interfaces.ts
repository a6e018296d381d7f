/**
 * Reads `interface` and `type` declarations out of TypeScript text, with their doc comments. It relies on the layout
 * that Biome gives all code here: a declaration starts in the first column, and its closing brace stands there alone.
 */

export interface Field {
  readonly name: string;
  readonly optional: boolean;
  readonly type: string;
  readonly text: string;
}

export interface Declaration {
  readonly name: string;
  readonly file: string;
  readonly text: string;
  readonly parents: readonly string[];
  readonly fields: readonly Field[];
  /** Of a `type`: what it stands for. */
  readonly alias?: string;
}

export class Declarations {
  readonly #all: readonly Declaration[];

  constructor(files: Readonly<Record<string, string>>) {
    this.#all = Object.entries(files).flatMap(([file, text]) => declarationsIn(file, text));
  }

  /** The declaration of that name: one in `file` or a file below that path, else the only one anywhere. */
  find(name: string, file = ""): Declaration | undefined {
    const named = this.#all.filter((each) => each.name === name);
    const near = named.filter((each) => file !== "" && each.file === file);
    if (near.length === 1) return near[0];
    return named.length === 1 ? named[0] : undefined;
  }

  /** All fields, those of the parents first. A type such as `Settings["port"]` is replaced by the type of that field. */
  fieldsOf(declaration: Declaration): readonly Field[] {
    return this.#fields(declaration).map((field) => ({ ...field, type: this.#resolved(field.type, declaration.file) }));
  }

  #resolved(type: string, file: string): string {
    return type.replace(/\b([A-Z]\w*)\["(\w+)"\]/g, (text, name: string, key: string) => {
      const owner = this.find(name, file);
      return owner ? (this.fieldsOf(owner).find((field) => field.name === key)?.type ?? text) : text;
    });
  }

  #fields(declaration: Declaration): readonly Field[] {
    const inherited = declaration.parents.flatMap((parent) => {
      const found = this.find(parent, declaration.file);
      return found ? this.#fields(found) : [];
    });
    const own = new Set(declaration.fields.map(({ name }) => name));
    return [...inherited.filter(({ name }) => !own.has(name)), ...declaration.fields];
  }

  /** The declarations that `types` name, and those that these name, each once and in the order of their names. */
  reachedFrom(types: readonly { readonly type: string; readonly file: string }[]): Declaration[] {
    const found = new Map<string, Declaration>();
    const queue = [...types];
    for (let next = queue.pop(); next; next = queue.pop()) {
      for (const word of next.type.match(/\b[A-Z]\w*/g) ?? []) {
        const declaration = this.find(word, next.file);
        const key = declaration ? `${declaration.file}#${word}` : "";
        if (!declaration || found.has(key)) continue;
        found.set(key, declaration);
        const inner = [...this.fieldsOf(declaration).map(({ type }) => type), declaration.alias ?? ""];
        queue.push(...inner.map((type) => ({ type, file: declaration.file })));
      }
    }
    return [...found.values()].sort((a, b) => a.name.localeCompare(b.name));
  }
}

function declarationsIn(file: string, text: string): Declaration[] {
  const lines = text.split("\n");
  const found: Declaration[] = [];
  for (const [index, line] of lines.entries()) {
    const comment = commentAbove(lines, index);
    const asInterface = /^(?:export )?interface (\w+)(?:<.*>)?(?: extends ([^{]+))? \{$/.exec(line);
    if (asInterface) {
      const end = lines.indexOf("}", index);
      const parents = (asInterface[2] ?? "").split(",").map((parent) => parent.replace(/<.*/, "").trim());
      const fields = fieldsIn(lines.slice(index + 1, end));
      found.push({ name: asInterface[1] ?? "", file, text: comment, parents: parents.filter(Boolean), fields });
    }
    const asType = /^(?:export )?type (\w+)(?:<.*>)? =(.*)$/.exec(line);
    if (asType) {
      const end = lines.findIndex((each, at) => at >= index && each.endsWith(";"));
      const alias = [asType[2] ?? "", ...lines.slice(index + 1, end + 1)].join(" ").replace(/;$/, "");
      found.push({
        name: asType[1] ?? "",
        file,
        text: comment,
        parents: [],
        fields: [],
        alias: alias
          .replace(/\s+/g, " ")
          .replace(/^ ?\| /, "")
          .trim(),
      });
    }
  }
  return found;
}

function fieldsIn(lines: readonly string[]): Field[] {
  const fields: Field[] = [];
  for (const [index, line] of lines.entries()) {
    const start = /^ {2}(?:readonly )?(\w+)(\?)?: (.*)$/.exec(line);
    if (!start) continue;
    const rest = lines.slice(index + 1);
    const whole = line.endsWith(";") ? [start[3] ?? ""] : [start[3] ?? "", ...untilEnd(rest)];
    const type = whole.join(" ").replace(/\s+/g, " ").replace(/;$/, "").replaceAll("readonly ", "").trim();
    fields.push({ name: start[1] ?? "", optional: start[2] === "?", type, text: commentAbove(lines, index) });
  }
  return fields;
}

/** The lines of a type that takes more than one line: its last one is indented like the field and ends in `;`. */
function untilEnd(lines: readonly string[]): readonly string[] {
  const end = lines.findIndex((line) => /^ {2}\S.*;$|^ {4}\S.*[^{,];$/.test(line) && !/^ {4}readonly /.test(line));
  return lines.slice(0, end + 1);
}

function commentAbove(lines: readonly string[], index: number): string {
  if (!/\*\/$/.test(lines[index - 1] ?? "")) return "";
  let first = index - 1;
  while (first >= 0 && !/^\s*\/\*\*/.test(lines[first] ?? "")) first -= 1;
  return lines
    .slice(first, index)
    .map((line) =>
      line
        .replace(/^\s*(\/\*\*|\*\/|\*(?!\/))?/, "")
        .replace(/\*\/$/, "")
        .trim(),
    )
    .join(" ")
    .trim();
}
