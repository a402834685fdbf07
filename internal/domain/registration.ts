// One instance of a service: where it is reached, and what runs there.

export interface Registration {
  readonly id: string;
  readonly name: string;
  readonly namespace: string;
  readonly nodeId: string;
  readonly datacenter: string;
  readonly jobId: string;
  readonly allocId: string;
  readonly tags: readonly string[];
  readonly address: string;
  readonly port: number;
  readonly createIndex: number;
  readonly modifyIndex: number;
}
