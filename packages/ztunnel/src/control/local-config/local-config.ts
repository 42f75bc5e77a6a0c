import type { Policy } from '@ambientmesh/policy';
import type { Service } from '../../state/service.ts';
import { ZtunnelError } from '../errors.ts';
import { readPolicy } from './read-policy.ts';
import { readService } from './read-service.ts';
import { type LocalWorkload, readWorkload } from './read-workload.ts';
import { YamlSource } from './yaml-place.ts';

/** What a local configuration (file xDS) says. */
export interface LocalConfig {
  readonly workloads: readonly LocalWorkload[];
  readonly services: readonly Service[];
  readonly policies: readonly Policy[];
}

/**
 * Reads the YAML of a local configuration (spec ztunnel.md §3.3); nothing at all is an empty one. Throws ZtunnelError
 * (ZTUNNEL_LOCAL_CONFIG_INVALID) at the first mistake, with its path, line and column.
 */
export function parseLocalConfig(text: string): LocalConfig {
  const source = new YamlSource(text);
  const fields = source.root?.fields(['workloads', 'policies', 'services']);
  if (source.syntaxError !== undefined)
    throw new ZtunnelError('ZTUNNEL_LOCAL_CONFIG_INVALID', `local configuration: ${source.syntaxError}`);
  return {
    workloads: fields?.list('workloads', readWorkload) ?? [],
    services: fields?.list('services', readService) ?? [],
    policies: fields?.list('policies', readPolicy) ?? [],
  };
}
