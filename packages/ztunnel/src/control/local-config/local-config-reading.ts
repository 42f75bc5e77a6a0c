import type { Policy } from '@ambientmesh/policy';
import type { StateChange } from '../../data-plane/protocol.ts';
import type { Service } from '../../state/service.ts';
import type { LocalConfig, RepeatedPolicy } from './local-config.ts';
import type { LocalWorkload } from './read-workload.ts';

/**
 * What a thread says of the text it reads: its entries in parts, which hold up the receiver for a moment each, the last with
 * `repeated`; or the message of the ZtunnelError.
 */
export type LocalConfigReading =
  | { readonly entries: readonly StateChange[]; readonly repeated?: readonly RepeatedPolicy[] }
  | { readonly refusal: string };

/** A local configuration of which the parts arrive one by one. */
export class GatheredConfig {
  readonly #policies: Policy[] = [];
  readonly #services: Service[] = [];
  readonly #workloads: LocalWorkload[] = [];

  add(entries: readonly StateChange[]): void {
    for (const entry of entries)
      if (entry.type === 'policy') this.#policies.push(entry.policy);
      else if (entry.type === 'service') this.#services.push(entry.service);
      else if (entry.type === 'workload')
        this.#workloads.push({ workload: entry.workload, endpoints: entry.endpoints });
  }

  complete(repeated: readonly RepeatedPolicy[]): LocalConfig {
    return { workloads: this.#workloads, services: this.#services, policies: this.#policies, repeated };
  }
}
