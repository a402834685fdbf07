// Services as the API answers them.

export interface WireServices {
  readonly Namespace: string;
  readonly Services: readonly { readonly ServiceName: string; readonly Tags: readonly string[] }[];
}

export interface WireRegistration {
  readonly ID: string;
  readonly ServiceName: string;
  readonly Namespace: string;
  readonly NodeID: string;
  readonly JobID: string;
  readonly AllocID: string;
  readonly Tags: readonly string[] | null;
  readonly Address: string;
  readonly Port: number;
}

/** `10.0.0.1:80`, or the address alone where the service has no port. */
export function placeOf(registration: WireRegistration): string {
  const host = registration.Address.includes(":") ? `[${registration.Address}]` : registration.Address;
  return registration.Port === 0 ? registration.Address : `${host}:${registration.Port}`;
}
