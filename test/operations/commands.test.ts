import { beforeAll, describe, expect, test } from "vitest";
import { age, size } from "../../cli/commands/cache/options.ts";
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
  const all = starts.filter(({ words }) => words[0] === program);
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

test("imagegen refuses the amounts that image-gen would refuse, and no others", () => {
  const amounts = [
    "20GB",
    "500 MB",
    "10GiB",
    "7",
    "1.5tb",
    "2k",
    "20QB",
    "",
    "-3GB",
    "30d",
    "12h",
    "4w",
    "90 m",
    "2y",
    "soon",
  ];
  for (const [option, check] of [
    ["keep-free", size],
    ["older-than", age],
  ] as const) {
    const outer = amounts.map((amount) => accepts(() => check(`--${option}`)(amount)));
    const inner = checkInPython(
      python,
      amounts.map((amount) => ["image-gen", "gc", `--${option}=${amount}`]),
    );
    expect(Object.fromEntries(amounts.map((amount, at) => [amount, outer[at]]))).toEqual(
      Object.fromEntries(amounts.map((amount, at) => [amount, inner[at] === null])),
    );
  }
});

function accepts(parse: () => string): boolean {
  try {
    parse();
    return true;
  } catch {
    return false;
  }
}

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
