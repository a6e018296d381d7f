import { parseSync } from "oxc-parser";
import type { Printed } from "../printed.ts";
import { commandsInText } from "../sentence.ts";

/** Functions that make a command of `imagegen`, and which of their arguments is its words. */
const BUILDERS: Readonly<Record<string, number>> = {
  imagegenCommand: 1,
  commandFor: 1,
  notRunning: 2,
  requireHost: 1,
  requireHosts: 1,
};

interface Node {
  readonly type: string;
  readonly start: number;
  readonly [field: string]: unknown;
}

/** The commands in the strings of a module, and those that the builders make of theirs. */
export function commandsInTypescript(file: string, text: string): Printed[] {
  const { program, errors } = parseSync(file, text);
  if (errors.length > 0) throw new Error(`${file}: ${errors[0]?.message}`);
  const found: Printed[] = [];
  const visit = (value: unknown): void => {
    if (Array.isArray(value)) for (const each of value) visit(each);
    if (!isNode(value) || /^(Import|TS)/.test(value.type)) return;
    const texts = textsOf(value);
    if (texts === null) {
      for (const child of Object.values(value)) visit(child);
      return;
    }
    const where = `${file}:${text.slice(0, value.start).split("\n").length}`;
    for (const each of texts)
      for (const command of commandsInText(each))
        found.push({ where, command, reader: "shell", example: each.includes("Examples:\n") });
    if (value.type === "CallExpression") visit(value.arguments);
    if (value.type === "TemplateLiteral") visit(value.expressions);
  };
  visit(program);
  return found;
}

/** Calls of a builder whose words are not written out, so that no reader of the code can tell what they print. */
export function opaqueBuilders(file: string, text: string): string[] {
  const found: string[] = [];
  const visit = (value: unknown, inside: string | null): void => {
    if (Array.isArray(value)) for (const each of value) visit(each, inside);
    if (!isNode(value)) return;
    const name = value.type === "FunctionDeclaration" ? nameOf(value.id) : null;
    const builder = value.type === "CallExpression" ? BUILDERS[nameOf(value.callee)] : undefined;
    const words = builder === undefined ? undefined : (value.arguments as Node[])[builder];
    if (words && textsOf(words) === null && !(inside !== null && inside in BUILDERS))
      found.push(`${file}:${text.slice(0, value.start).split("\n").length}`);
    for (const child of Object.values(value)) visit(child, name ?? inside);
  };
  visit(parseSync(file, text).program, null);
  return found;
}

/** The texts that an expression can be, with a placeholder for each value; null for what is no text. */
function textsOf(node: Node): string[] | null {
  switch (node.type) {
    case "Literal":
      return typeof node.value === "string" ? [node.value] : null;
    case "TemplateLiteral": {
      const expressions = node.expressions as Node[];
      return (node.quasis as { value: { cooked: string } }[])
        .map(({ value }, at) => [[value.cooked], at < expressions.length ? valuesOf(expressions[at]) : [""]])
        .reduce<string[]>((all, parts) => parts.reduce((left, right) => product(left, right), all), [""]);
    }
    case "BinaryExpression": {
      if (node.operator !== "+") return null;
      const left = textsOf(node.left as Node);
      const right = textsOf(node.right as Node);
      return left || right ? product(left ?? valuesOf(node.left as Node), right ?? valuesOf(node.right as Node)) : null;
    }
    case "ConditionalExpression": {
      const [yes, no] = [textsOf(node.consequent as Node), textsOf(node.alternate as Node)];
      return yes && no ? [...yes, ...no] : null;
    }
    case "CallExpression": {
      const words = (node.arguments as Node[])[BUILDERS[nameOf(node.callee)] ?? -1];
      const texts = words ? textsOf(words) : null;
      return texts ? texts.map((each) => `imagegen ${each} --stack <stack>`) : null;
    }
    default:
      return null;
  }
}

const product = (left: readonly string[], right: readonly string[]) => left.flatMap((a) => right.map((b) => a + b));
const valuesOf = (node: Node | undefined) => (node ? (textsOf(node) ?? [`<${nameOf(node)}>`]) : [""]);
const isNode = (value: unknown): value is Node => typeof value === "object" && value !== null && "type" in value;

/** What an expression is called: the last name in it. */
function nameOf(value: unknown): string {
  if (!isNode(value)) return "value";
  if (typeof value.name === "string") return value.name;
  for (const field of ["property", "callee", "left", "expression", "argument", "consequent", "object"])
    if (isNode(value[field])) return nameOf(value[field]);
  return "value";
}
