interface Denial {
  readonly Effect?: string;
  readonly Principal?: unknown;
  readonly Condition?: { readonly Bool?: Readonly<Record<string, unknown>> };
}

/** Whether a resource's policy refuses everybody who comes without TLS. One that is not known yet is taken to. */
export function deniesPlainText(document: unknown): boolean {
  if (document === undefined) return true;
  const { Statement = [] } = (typeof document === "string" ? JSON.parse(document) : document) as {
    Statement?: Denial | Denial[];
  };
  return [Statement]
    .flat()
    .some(
      ({ Effect, Principal, Condition }) =>
        Effect === "Deny" && Principal === "*" && String(Condition?.Bool?.["aws:SecureTransport"]) === "false",
    );
}
