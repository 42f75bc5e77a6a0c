import type { LocalConfigStatus } from '../local-config/local-config-file.ts';
import type { MetricFamily } from './open-metrics.ts';

/** Which version of the local configuration is in force and whether it is the one that the file holds. */
export function localConfigFamilies({ inForce, refused, refusals }: LocalConfigStatus): MetricFamily[] {
  return [
    {
      name: 'ambientmesh_local_config_info',
      kind: 'gauge',
      help: 'The version of the local configuration that all data threads go by.',
      samples: inForce === undefined ? [] : [{ labels: [['sha256', inForce.sha256]], value: 1 }],
    },
    {
      name: 'ambientmesh_local_config_refused',
      kind: 'gauge',
      help: 'Whether the local configuration is not what its file says, because that is bad or cannot be read.',
      samples: [{ labels: [], value: refused === undefined ? 0 : 1 }],
    },
    {
      name: 'ambientmesh_local_config_refusals',
      kind: 'counter',
      help: 'The total number of versions of the local configuration that were refused.',
      samples: refusals === 0 ? [] : [{ labels: [], value: refusals }],
    },
  ];
}
