import { commandFor } from "../core/command-line.ts";
import { formatDetail } from "../core/exit.ts";
import type { Rehearsal } from "./rehearse.ts";

/** A rehearsal for people. */
export function describeRehearsal({ stack, region, resources, cases, assumed, onlyAws }: Rehearsal): string {
  const width = Math.max(...resources.map(({ type }) => shortType(type).length), 0);
  const made = resources.map(({ type, name, seconds }, index) => {
    const time = `${seconds.toFixed(1).padStart(5)} s`;
    return `${String(index + 1).padStart(3)} ${time}  ${shortType(type).padEnd(width)}  ${name}`;
  });
  const said = cases.flatMap(({ name, when, made: before, message, fix }) => [
    `When ${when} (${name}; ${before === 1 ? "1 resource is" : `${before} resources are`} there by then):`,
    ...indented(formatDetail({ message, fix: fix ?? undefined })),
  ]);
  return [
    `Rehearsed the stack ${stack} in ${region} against a fake of AWS. Nothing was requested from AWS, and the stack's state was neither read nor changed.`,
    ...(assumed.length > 0 ? [`Taken to exist as they are named: ${assumed.join(", ")}.`] : []),
    "",
    `Made, in this order (the rehearsal's own seconds; ${commandFor(stack, "plan")} says how long AWS takes):`,
    ...made,
    ...(cases.length > 0 ? ["", "What up says when it fails:", "", ...said] : []),
    "",
    "Only AWS can tell (docs/aws-untested.md):",
    ...onlyAws.map((fact) => `- ${fact}`),
  ].join("\n");
}

/** `ec2/instance` of `aws:ec2/instance:Instance`. */
function shortType(type: string): string {
  const [provider = "", middle = "", last = ""] = type.split(":");
  return provider === "aws" ? middle : `${provider}/${last.toLowerCase()}`;
}

const indented = (text: string) => text.split("\n").map((line) => `  ${line}`);
