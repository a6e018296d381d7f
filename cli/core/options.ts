import { CliError, EXIT } from "./exit.ts";

type Parser = (text: string) => number;

const parser =
  (isValid: (text: string) => boolean, expected: string, example: string) =>
  (flag: string): Parser =>
  (text) => {
    if (isValid(text)) return Number(text);
    throw new CliError(
      { message: `${flag}: expected ${expected}, got "${text}".`, fix: `${flag} ${example}` },
      EXIT.usage,
    );
  };

/** Parsers of option values, each for the flag that its error names. */
export const wholeNumber = parser((text) => /^\d+$/.test(text), "a whole number", "20");
export const anyNumber = parser((text) => text.trim() !== "" && Number.isFinite(Number(text)), "a number", "7");
export const portNumber = parser(
  (text) => /^\d{1,5}$/.test(text) && Number(text) > 0 && Number(text) < 65_536,
  "a port (1 to 65535)",
  "8001",
);

export const numberBetween = (least: number, most: number, example: string) =>
  parser(
    (text) => /^\d+(\.\d+)?$/.test(text) && Number(text) >= least && Number(text) <= most,
    `a number from ${least} to ${most}`,
    example,
  );
export const wholeBetween = (least: number, most: number, example: string) =>
  parser(
    (text) => /^\d+$/.test(text) && Number(text) >= least && Number(text) <= most,
    `a whole number from ${least} to ${most}`,
    example,
  );

/** The values of an option that may be given more than once. */
export function collect(value: string, all: string[] = []): string[] {
  return [...all, value];
}
