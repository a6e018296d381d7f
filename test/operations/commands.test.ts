import { beforeAll, describe, expect, test } from "vitest";
import { type Start, startsOf } from "../support/commands/check.ts";
import { printedCommands } from "../support/commands/harvest.ts";
import { checkInPython, PYTHON_TOOLS } from "../support/commands/parsers/python.ts";
import { pythonEnvironment } from "../support/python.ts";

let python: string;
let starts: Start[];

beforeAll(async () => {
  python = await pythonEnvironment();
  starts = printedCommands().flatMap(startsOf);
}, 600_000);

test.for(PYTHON_TOOLS)("every printed command of %s is one that its own parser takes", (program) => {
  const all = starts.filter(
    ({ words, printed }) => words[0] === program && !printed.where.startsWith("image-gen/src/"),
  );
  expect(all.length).toBeGreaterThan(1);
  const problems = checkInPython(
    python,
    all.map(({ words }) => words),
  );
  const wrong = all.flatMap(({ printed: { where, command } }, at) =>
    problems[at] ? [{ where, command, problem: problems[at] }] : [],
  );
  expect(wrong).toEqual([]);
});

describe("a wrong command is found", () => {
  test.each([
    ["image-gen verfy", /invalid choice: 'verfy'/],
    ["image-gen gc --keep-free 20QB", /expected a size/],
    ["image-gen clear", /one of the arguments/],
    ["hf cache list-all", /hf has no command list-all/],
    ["hf cache ls --revisons", /No such option/],
    ["aws ec2 remove-volume --volume-id vol-1", /aws ec2 has no command remove-volume/],
    ["aws ec2 delete-volume --volume vol-1 --region us-east-1", /no option --volume there/],
    ["aws ec2 delete-volume --region us-east-1", /needs --volume-id/],
    [
      "aws service-quotas request-service-quota-increase --service-code ec2 --quota-code L-1 --desired-value 8",
      /--region is missing/,
    ],
    ["aws sso signin", /aws sso has no command signin/],
  ])("%s", (command, problem) => {
    expect(checkInPython(python, [command.split(" ")])[0]).toMatch(problem);
  });
});
