/** Expressions of CloudWatch over figures of one minute: numbers, names, IF, FILL, comparisons, + - * / and brackets. What they do not know, they refuse. */

/** A metric's value of the minute; undefined where it sent none. */
export type Figures = Readonly<Record<string, number | undefined>>;

/** Undefined where the expression has no value: a metric without one that nothing fills, or a division by zero. */
export function evaluate(expression: string, figures: Figures): number | undefined {
  const words = expression.match(/[A-Za-z_]\w*|\d+(?:\.\d+)?|[<>]=?|==|[-+*/(),]/g) ?? [];
  if (words.join("") !== expression.replaceAll(" ", "")) throw new Error(`no expression: ${expression}`);
  const reader = new Reader(words, figures);
  const value = reader.comparison();
  if (reader.hasMore) throw new Error(`more than an expression: ${expression}`);
  return value;
}

type Value = number | undefined;
const both = (a: Value, b: Value, make: (a: number, b: number) => Value): Value =>
  a === undefined || b === undefined ? undefined : make(a, b);

const COMPARISONS: Readonly<Record<string, (a: number, b: number) => boolean>> = {
  "<": (a, b) => a < b,
  "<=": (a, b) => a <= b,
  ">": (a, b) => a > b,
  ">=": (a, b) => a >= b,
  "==": (a, b) => a === b,
};

class Reader {
  readonly #words: readonly string[];
  readonly #figures: Figures;
  #at = 0;

  constructor(words: readonly string[], figures: Figures) {
    this.#words = words;
    this.#figures = figures;
  }

  get hasMore(): boolean {
    return this.#at < this.#words.length;
  }

  comparison(): Value {
    const left = this.#sum();
    const compare = COMPARISONS[this.#words[this.#at] ?? ""];
    if (!compare) return left;
    this.#at += 1;
    return both(left, this.#sum(), (a, b) => (compare(a, b) ? 1 : 0));
  }

  #sum(): Value {
    let value = this.#product();
    for (let sign = this.#take("+", "-"); sign; sign = this.#take("+", "-")) {
      const factor = sign === "+" ? 1 : -1;
      value = both(value, this.#product(), (a, b) => a + factor * b);
    }
    return value;
  }

  #product(): Value {
    let value = this.#term();
    for (let sign = this.#take("*", "/"); sign; sign = this.#take("*", "/")) {
      const isTimes = sign === "*";
      value = both(value, this.#term(), (a, b) => (isTimes ? a * b : b === 0 ? undefined : a / b));
    }
    return value;
  }

  #term(): Value {
    const word = this.#words[this.#at++] ?? "";
    if (word === "(") {
      const value = this.comparison();
      this.#demand(")");
      return value;
    }
    if (/^\d/.test(word)) return Number(word);
    if (word === "IF" || word === "FILL") return this.#call(word);
    if (!(word in this.#figures)) throw new Error(`no figure is called ${word}`);
    return this.#figures[word];
  }

  #call(name: "IF" | "FILL"): Value {
    this.#demand("(");
    const values = [this.comparison()];
    while (this.#take(",")) values.push(this.comparison());
    this.#demand(")");
    if (values.length !== (name === "IF" ? 3 : 2)) throw new Error(`${name} has other arguments than ${values.length}`);
    if (name === "FILL") return values[0] ?? values[1];
    return values[0] === undefined ? undefined : values[0] === 0 ? values[2] : values[1];
  }

  #take(...words: string[]): string | undefined {
    const word = this.#words[this.#at] ?? "";
    if (!words.includes(word)) return undefined;
    this.#at += 1;
    return word;
  }

  #demand(word: string): void {
    if (this.#take(word) === undefined) throw new Error(`expected ${word}, got ${this.#words[this.#at]}`);
  }
}
