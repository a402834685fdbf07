// Why a request to another agent failed.

/** Whether nothing of it was taken: nobody listens there. Bun says ConnectionRefused, Node hides ECONNREFUSED in the cause. */
export function isUnsent(error: unknown): boolean {
  const codes = [error, (error as { readonly cause?: unknown } | null)?.cause].map((one) =>
    String((one as { readonly code?: unknown } | null)?.code ?? ""),
  );
  return codes.some((code) => code === "ConnectionRefused" || code === "ECONNREFUSED");
}
