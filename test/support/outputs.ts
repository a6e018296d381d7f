import type * as pulumi from "@pulumi/pulumi";

/** The value of an output, and whether it is known and a secret. */
export async function read<T>(output: pulumi.Output<T>): Promise<{ value: T; known: boolean; secret: boolean }> {
  const inner = output as unknown as {
    promise(): Promise<T>;
    isKnown: Promise<boolean>;
    isSecret: Promise<boolean>;
  };
  return { value: await inner.promise(), known: await inner.isKnown, secret: await inner.isSecret };
}

/** The value of an output that must be known. */
export async function known<T>(output: pulumi.Output<T>): Promise<T> {
  const { value, known: isKnown } = await read(output);
  if (!isKnown) throw new Error("the output is unknown");
  return value;
}
